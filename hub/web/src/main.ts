import { mount } from 'svelte';
import App from './App.svelte';
import './app.css';

const target = document.getElementById('app');
if (target) mount(App, { target });

if ('serviceWorker' in navigator && import.meta.env.PROD) {
  // Without one the app works too, but not while the hub is away.
  const registered = navigator.serviceWorker.register('/sw.js', { updateViaCache: 'none' }).catch(() => null);
  // An app that stays open for days looks for a newer one whenever it is looked at; the next load shows it.
  document.addEventListener('visibilitychange', async () => {
    if (!document.hidden) (await registered)?.update().catch(() => {});
  });
}
