// What is wrong with the screen for eyes and thumbs, as a list of sentences in `window.faults`. Run in the page, with axe.
(async () => {
  const faults = [];
  const shown = (element) => element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true }) && element.getClientRects().length > 0;
  const name = (element) => `<${element.tagName.toLowerCase()}> "${(element.ariaLabel || element.textContent || element.name || '').trim().slice(0, 40)}"`;

  // 44 pixels: what a thumb hits (WCAG 2.5.5). A link within a sentence is as high as its line.
  const inSentence = (a) => getComputedStyle(a).display === 'inline' && a.parentElement.textContent.trim() !== a.textContent.trim();
  for (const element of document.querySelectorAll('a[href], button, input, select, textarea, summary, [role=button]')) {
    const target = element.matches('[type=checkbox], [type=radio]') ? element.closest('label') ?? element : element;
    if (!shown(target) || (element.matches('a') && inSentence(element))) continue;
    const { width, height } = target.getBoundingClientRect();
    if (width < 43.5 || height < 43.5) faults.push(`${name(element)} is ${width.toFixed()} x ${height.toFixed()} pixels, 44 are needed`);
  }

  if (document.documentElement.scrollWidth > innerWidth) faults.push(`the page is ${document.documentElement.scrollWidth} pixels wide`);
  for (const element of document.body.querySelectorAll('*')) {
    const cut = ['hidden', 'clip'].includes(getComputedStyle(element).overflowX) && element.scrollWidth > element.clientWidth + 1;
    if (cut && shown(element) && element.textContent.trim() && !element.matches('.sr, .visually-hidden')) faults.push(`${name(element)} is cut off`);
  }

  // Text of any size: 4.5 to 1.
  const contrastRatio = { normal: { expected: 4.5 }, large: { expected: 4.5 } };
  axe.configure({ checks: [{ id: 'color-contrast', options: { contrastRatio } }] });
  const { violations } = await axe.run(document, { runOnly: ['color-contrast'], resultTypes: ['violations'] });
  for (const { nodes } of violations) for (const node of nodes) faults.push(`${node.target}: ${node.any[0]?.message}`);
  window.faults = faults;
})();
