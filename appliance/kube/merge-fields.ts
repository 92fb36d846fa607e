import { KubeError } from './kube-error.ts';

type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The lists whose items have a key of their own, by the name of their field (the schema's `x-kubernetes-list-map-keys`). */
const LIST_KEYS: Readonly<Record<string, string>> = {
  containers: 'name',
  initContainers: 'name',
  env: 'name',
  volumes: 'name',
  volumeMounts: 'mountPath',
  conditions: 'type',
  ownerReferences: 'uid',
  webhooks: 'name',
  matchConditions: 'name',
};

function keyOf(item: unknown, key: string): unknown {
  return isFields(item) ? item[key] : undefined;
}

/** Two values are the same JSON, whatever the order of their keys; a field that is `undefined` isn't there. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, index) => sameJson(item, b[index]));
  }
  if (!isFields(a) || !isFields(b)) return false;
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].every((key) => sameJson(a[key], b[key]));
}

function mergeList(before: readonly unknown[], change: readonly unknown[], key: string): unknown[] {
  const kept = before.map((item) => {
    const changed = change.find((other) => keyOf(other, key) === keyOf(item, key));
    return changed === undefined ? item : mergeFields(item, changed);
  });
  const added = change.filter((item) => !before.some((other) => keyOf(other, key) === keyOf(item, key)));
  return [...kept, ...added];
}

/** `change` laid over `before`: maps field by field, lists with keys item by item, everything else replaced. */
export function mergeFields(before: unknown, change: unknown, field = ''): unknown {
  if (isFields(change)) return mergeMap(isFields(before) ? before : {}, change);
  const key = LIST_KEYS[field];
  return key !== undefined && Array.isArray(before) && Array.isArray(change) ? mergeList(before, change, key) : change;
}

function mergeMap(before: Fields, change: Fields): Fields {
  const merged: Record<string, unknown> = { ...before };
  for (const [name, value] of Object.entries(change)) {
    if (value === null) Reflect.deleteProperty(merged, name);
    else if (value !== undefined) merged[name] = mergeFields(before[name], value, name);
  }
  return merged;
}

/** RFC 7396: maps field by field, `null` removes, everything else, lists too, replaced. */
export function mergePatch(before: unknown, change: unknown): unknown {
  if (!isFields(change)) return change;
  const merged: Record<string, unknown> = isFields(before) ? { ...before } : {};
  for (const [name, value] of Object.entries(change)) {
    if (value === null) Reflect.deleteProperty(merged, name);
    else merged[name] = mergePatch(merged[name], value);
  }
  return merged;
}

/** `live` without the fields that `earlier` set and `now` does not: what server-side apply takes away. */
export function withoutDropped(live: unknown, earlier: unknown, now: unknown): unknown {
  if (!isFields(live) || !isFields(earlier)) return live;
  const kept: Record<string, unknown> = { ...live };
  for (const [name, value] of Object.entries(earlier)) {
    const wanted = isFields(now) ? now[name] : undefined;
    if (wanted === undefined && !isFields(value)) Reflect.deleteProperty(kept, name);
    else kept[name] = dropFromMember(live[name], value, { wanted, field: name });
    if (kept[name] === undefined) Reflect.deleteProperty(kept, name);
  }
  return kept;
}

function dropFromMember(live: unknown, earlier: unknown, context: { wanted: unknown; field: string }): unknown {
  const { wanted, field } = context;
  const key = LIST_KEYS[field];
  if (key === undefined || !Array.isArray(live) || !Array.isArray(earlier))
    return withoutDropped(live, earlier, wanted);
  const find = (list: unknown, item: unknown): unknown =>
    Array.isArray(list) ? list.find((other: unknown) => keyOf(other, key) === keyOf(item, key)) : undefined;
  return (live as unknown[]).flatMap((item) => {
    const before = find(earlier, item);
    if (before === undefined) return [item];
    const now = find(wanted, item);
    return now === undefined ? [] : [withoutDropped(item, before, now)];
  });
}

/** RFC 6902, the operations that Sealift uses. @throws KubeError `INVALID` when a path is not there or a test fails. */
export function jsonPatch(
  document: unknown,
  operations: readonly { readonly op: string; readonly path: string; readonly value?: unknown }[],
): unknown {
  const result: unknown = structuredClone(document);
  for (const operation of operations) applyOperation(result, operation);
  return result;
}

function applyOperation(document: unknown, { op, path, value }: { op: string; path: string; value?: unknown }): void {
  const parts = path
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  const last = parts.pop();
  let target: unknown = document;
  for (const part of parts) target = (target as Record<string, unknown> | undefined)?.[part];
  if (last === undefined || typeof target !== 'object' || target === null) throw noPath(path);
  if (Array.isArray(target)) changeList(target, last, { op, path, value });
  else changeMap(target as Record<string, unknown>, last, { op, path, value });
}

function noPath(path: string): KubeError {
  return new KubeError('INVALID', `the JSON patch names a path that is not there: ${path}`);
}

interface Operation {
  readonly op: string;
  readonly path: string;
  readonly value?: unknown;
}

function changeMap(target: Record<string, unknown>, name: string, { op, path, value }: Operation): void {
  if (op !== 'add' && !Object.hasOwn(target, name)) throw noPath(path);
  if (op === 'test' && !sameJson(target[name], value)) throw testFailed(path);
  if (op === 'remove') Reflect.deleteProperty(target, name);
  else if (op !== 'test') target[name] = value;
}

function indexIn(target: readonly unknown[], name: string, op: string): number | undefined {
  const index = name === '-' ? target.length : Number(name);
  const highest = op === 'add' ? target.length : target.length - 1;
  return Number.isInteger(index) && index >= 0 && index <= highest ? index : undefined;
}

function changeList(target: unknown[], name: string, { op, path, value }: Operation): void {
  const index = indexIn(target, name, op);
  if (index === undefined) throw noPath(path);
  if (op === 'test' && !sameJson(target[index], value)) throw testFailed(path);
  if (op === 'add') target.splice(index, 0, value);
  else if (op === 'remove') target.splice(index, 1);
  else if (op === 'replace') target[index] = value;
}

function testFailed(path: string): KubeError {
  return new KubeError('INVALID', `the JSON patch's test failed at ${path}`);
}
