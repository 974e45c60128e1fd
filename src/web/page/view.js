// How the page is shown, as its address says: `?kiosk` for the wall screen, `?dark` or `?light` for a theme. Without
// a theme the page has the system's (dark.css).

const parameters = new URLSearchParams(location.search);
const root = document.documentElement;

const view = {
  kiosk: parameters.has('kiosk'),
};

root.classList.toggle('kiosk', view.kiosk);
for (const theme of ['dark', 'light']) root.classList.toggle(theme, parameters.has(theme));
