/**
 * Remembers a value, and forgets the oldest value if there are more than `most`. A command that runs until Ctrl-C must
 * not keep all ids that it has seen.
 */
export function remember<T>(map: Map<string, T>, id: string, value: T, most: number): void {
  map.set(id, value);
  if (map.size <= most) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}
