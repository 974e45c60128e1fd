// Which language the page speaks, and in whose form it writes numbers and times.

const LANGUAGES = { en: english, de: german };

const language = choice('lang') ?? navigator.language;

/** For numbers and times: the viewer's own variant of the language, where the browser has it. */
const locale = navigator.language.startsWith(language) ? navigator.language : language.slice(0, 2) in LANGUAGES ? language.slice(0, 2) : 'en';

root.lang = language.slice(0, 2) in LANGUAGES ? language.slice(0, 2) : 'en';

const texts = { ...english, ...LANGUAGES[root.lang] };

function inBrackets(text) {
  return text ? ` (${text})` : '';
}

/** A number with its noun; English plurals only need an `s`. */
function count(number, one, many = `${one}s`) {
  return `${formatCount(number)} ${number === 1 ? one : many}`;
}

function fillTexts() {
  for (const target of document.querySelectorAll('[data-text]')) target.textContent = texts[target.dataset.text];
  for (const target of document.querySelectorAll('[data-label]')) {
    target.setAttribute('aria-label', texts[target.dataset.label]);
    if (target.type === 'search') target.placeholder = texts[target.dataset.label];
  }
}
