// Whether what the page shows is true now, and if not, why: the dot and its word, the banner, the loss of colour.

const health = {
  /** Nothing is known to be true now. While only some queues are unknown, the others are. */
  stale: true,
  /** The problem that is shown now; `null` if all is well. */
  problem: 'first',
  wasLive: false,
};

/** Without a picture after this time the page says that nobody answers. */
const FIRST_ANSWER_MS = 4000;
/** A lost connection is shown after this time; until then the browser may have made it again. */
const RECONNECT_MS = 2500;
/** Without a picture for this long (or for three intervals) the connection counts as lost. */
const QUIET_MS = 5000;
/** How long the banner says that the page is live again. */
const LIVE_AGAIN_MS = 8000;

let liveAgainUntil;

/**
 * The worst problem now, or `null`: `name` tells problems apart, `state` stands beside the dot, `text` in the banner;
 * `isPartial` where what is known is true.
 */
function findProblem() {
  if (!hasPicture()) {
    const isLate = performance.now() > FIRST_ANSWER_MS && isOpening();
    return { name: 'first', state: isLate ? texts.noAnswer : texts.connecting, text: '' };
  }
  const { connection, settings } = picture;
  const quietMs = millisSinceReceived();
  if (quietMs > Math.max(QUIET_MS, settings.interval_ms * 3) || millisSinceLost() > RECONNECT_MS) {
    const since = formatTime(Date.now() - quietMs);
    return { name: 'page', state: texts.reconnecting, text: texts.pageIsCutOff(since) };
  }
  if (connection.state !== 'streaming') {
    const states = { connecting: texts.connecting, backoff: texts.reconnecting, stopped: texts.stopped };
    return {
      name: connection.state + (connection.cause ?? ''),
      state: states[connection.state] ?? connection.state,
      text:
        connection.state === 'stopped'
          ? texts.programStopped(connection.cause, formatTime(picture.as_of))
          : texts.noStream(formatTime(connection.since), connection.cause),
    };
  }
  const frameAt = toMillis(connection.last_frame_at);
  const latest = toMillis(picture.as_of) + quietMs;
  if (frameAt == null || latest - frameAt > settings.stale_after_ms + settings.interval_ms) {
    const text = frameAt == null ? texts.nothingYet : texts.nothingSince(formatTime(frameAt));
    return { name: 'silent', state: texts.silent, text };
  }
  const gap = connection.open_gap;
  if (gap) {
    return { name: 'gap', state: texts.degraded, text: texts.notCovered(formatTime(gap.from), gap.cause) };
  }
  const text = picture.degraded && partialText();
  return text ? { name: `degraded ${text}`, state: texts.degraded, text, isPartial: true } : null;
}

/** What is not known though it streams, and why. */
function partialText() {
  const queues = Object.values(picture.queues ?? {});
  const unknown = queues.filter((queue) => queue.unknown != null);
  const reasons = new Set(unknown.map((queue) => formatReason(queue.unknown)));
  if (unknown.length) return texts.unknownQueues(unknown.length, queues.length, [...reasons].sort().join('; '));
  const open = Object.values(picture.changes ?? {}).reverse().find((change) => change.kind === 'gap' && change.until == null);
  return open ? texts.notCovered(formatTime(open.at), open.cause) : picture.degraded;
}

function updateHealth() {
  const problem = findProblem();
  const name = problem?.name ?? null;
  health.stale = problem != null && !problem.isPartial;
  byId('main').classList.toggle('stale', health.stale);
  if (name !== health.problem) {
    const isGood = !problem && health.wasLive && health.problem !== 'first';
    const note = byId('note');
    note.className = isGood ? 'good' : '';
    note.textContent = isGood ? texts.liveAgain(formatTime(Date.now())) : problem?.text ?? '';
    liveAgainUntil = isGood ? performance.now() + LIVE_AGAIN_MS : undefined;
    health.problem = name;
    health.wasLive ||= !problem;
  }
  if (performance.now() > liveAgainUntil) {
    byId('note').textContent = '';
    liveAgainUntil = undefined;
  }
  const source = picture.settings?.source;
  const isReplay = source === 'replay';
  setText(byId('state'), problem?.state ?? (isReplay ? texts.replayOf(formatDay(picture.as_of)) : texts.live));
  // What was recorded is never live, however well it plays.
  const wellClass = isReplay ? '' : 'live';
  byId('link').className = !problem ? wellClass : problem.isPartial ? 'partial' : name === 'first' ? '' : 'down';
  setText(byId('source'), source === 'simulator' ? texts.simulated : '');
}
