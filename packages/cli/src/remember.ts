/**
 * Remembers a value, and forgets the oldest one if there are more than `most`: what runs until Ctrl-C must not keep all
 * that it has ever seen.
 */
export function remember<T>(map: Map<string, T>, id: string, value: T, most: number): void {
  map.set(id, value);
  if (map.size <= most) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}
