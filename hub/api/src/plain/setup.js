// Only on the page of a hub that nobody owns yet and that has no clock: tells it this device's time.
'use strict';
const said = document.getElementById('time');
fetch('/time', {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ time: new Date().toISOString() }),
}).then(async (answer) => {
  said.textContent = answer.ok
    ? 'This hub did not know the time. It took it from this device.'
    : `The hub did not take the time from this device. ${(await answer.json()).remedy}`;
}).catch(() => {
  said.textContent = 'The hub could not be told the time. Load this page again.';
});
