// What the hub says of something, asked again and again while a screen is open.

import { get, words } from './api';

/** To be made while a component is made; it ends with the component. Whoever changes something sets the answer as `value`. */
export class Polled<Answer> {
  value = $state.raw<Answer | null>(null);
  problem = $state('');

  constructor(
    private path: string,
    everyMs: number,
    private first: (answer: Answer) => void = () => {},
  ) {
    $effect(() => {
      void this.ask();
      const timer = setInterval(() => document.hidden || this.ask(), everyMs);
      return () => clearInterval(timer);
    });
  }

  private async ask() {
    try {
      const answer = await get<Answer>(this.path);
      if (!this.value) this.first(answer);
      this.value = answer;
      this.problem = '';
    } catch (error) {
      this.problem = words(error);
    }
  }
}
