/** Whether a promise has been fulfilled or rejected by now. */
export function watch(promise: Promise<unknown>): { readonly isDone: boolean } {
  const state = { isDone: false };
  void Promise.allSettled([promise]).then(() => {
    state.isDone = true;
  });
  return state;
}
