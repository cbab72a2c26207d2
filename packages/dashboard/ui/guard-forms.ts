/**
 * Keeps every form from being submitted while a field in it has a fault. Otherwise, the form would send an older value
 * than the field shows. The field gets the focus. Returns a function that ends it.
 */
export function guardForms(): () => void {
  const guard = (event: SubmitEvent): void => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || form.checkValidity()) return;
    event.preventDefault();
    event.stopPropagation();
    form.querySelector<HTMLElement>("textarea:invalid, input:invalid")?.focus();
  };
  document.addEventListener("submit", guard, { capture: true });
  return () => document.removeEventListener("submit", guard, { capture: true });
}
