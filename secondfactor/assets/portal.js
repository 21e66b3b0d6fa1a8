// A form whose button asks the browser for a passkey first, and then sends what it said.

import { create, explain, get, supported } from '/assets/webauthn.js';

const ways = { create, get };

for (const form of document.querySelectorAll('form[data-passkey]')) {
  const button = form.querySelector('button');
  const problem = form.querySelector('[data-problem]');
  const response = form.elements.namedItem('response');
  const tell = (text) => {
    problem.textContent = text;
    problem.hidden = text === '';
  };
  if (!supported()) {
    button.disabled = true;
    tell('This browser cannot use passkeys here. Open the page in an up-to-date browser, by its name and with https://.');
    continue;
  }
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    tell('');
    button.disabled = true;
    try {
      const made = await ways[form.dataset.passkey](JSON.parse(form.dataset.options));
      response.value = JSON.stringify(made);
      form.submit();
    } catch (error) {
      tell(explain(error));
      button.disabled = false;
    }
  });
}
