// Numbers and times as text, in the form of the viewer's language and zone. Unknown is a dash.

const UNKNOWN = '–';

function formatCount(number) {
  return number == null ? UNKNOWN : number.toLocaleString(locale);
}

function formatPercent(number) {
  if (number == null) return UNKNOWN;
  const digits = number >= 99.95 || number === Math.round(number) ? 0 : 1;
  return `${number.toLocaleString(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits })} %`;
}

/** `m:ss`, or `h:mm:ss` from an hour on. */
function formatDuration(secs) {
  if (secs == null) return UNKNOWN;
  const whole = Math.max(0, Math.floor(secs));
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  const two = (number) => String(number).padStart(2, '0');
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** The time of day in the viewer's zone; `at` is a moment of the picture or milliseconds. */
function formatTime(at) {
  return new Date(at).toLocaleTimeString(locale);
}

function formatDay(at) {
  return new Date(at).toLocaleString(locale, { dateStyle: 'medium', timeStyle: 'short' });
}

/** Whether a moment is on the viewer's day of the newest picture. */
function isToday(at) {
  return new Date(at).toDateString() === new Date(picture.as_of).toDateString();
}

/** Hours and minutes; with the day if it is not today. */
function formatMinute(at) {
  return new Date(at).toLocaleString(locale, { ...(isToday(at) ? {} : { weekday: 'short' }), hour: '2-digit', minute: '2-digit' });
}

function formatTenth(number) {
  return number == null ? UNKNOWN : number.toLocaleString(locale, { maximumFractionDigits: 1 });
}

/** The clock of the header: hours and minutes now. */
function formatClock() {
  return new Date().toLocaleTimeString(locale, { hour: '2-digit', minute: '2-digit' });
}

/** A status of Genesys in words: `OFF_QUEUE` is "off queue". */
function formatStatus(status) {
  return status ? texts.statuses[status] ?? status.toLowerCase().replace(/_/g, ' ') : texts.unknownStatus;
}
