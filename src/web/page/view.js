// How the page is shown, as its address says: `?kiosk` for the wall screen, `?dark` or `?light` for a theme. Without
// a theme the page follows the system's.

const parameters = new URLSearchParams(location.search);
const root = document.documentElement;

const view = {
  kiosk: parameters.has('kiosk'),
  theme: ['dark', 'light'].find((theme) => parameters.has(theme)),
};

const systemIsDark = matchMedia('(prefers-color-scheme: dark)');

function applyTheme() {
  root.classList.toggle('dark', view.theme ? view.theme === 'dark' : systemIsDark.matches);
}

root.classList.toggle('kiosk', view.kiosk);
applyTheme();
systemIsDark.addEventListener('change', applyTheme);
