import { z } from 'zod';

import { KubeError } from './kube-error.ts';
import type { KindRef, KubeObject } from './kube-object.ts';

const text = z.string();
const texts = z.record(text, text);

/** Everything that the API server hands out passes through here: only the fields that Sealift types are checked. */
const objectSchema = z.looseObject({
  apiVersion: text.optional(),
  kind: text.optional(),
  metadata: z.looseObject({
    name: text.default(''),
    namespace: text.exactOptional(),
    labels: texts.exactOptional(),
    annotations: texts.exactOptional(),
    uid: text.exactOptional(),
    resourceVersion: text.exactOptional(),
    generation: z.number().exactOptional(),
    creationTimestamp: text.nullable().optional(),
    deletionTimestamp: text.exactOptional(),
    finalizers: z.array(text).exactOptional(),
  }),
  data: z.unknown().optional(),
  type: z.unknown().optional(),
});

/** Narrows an object from the API server. Items of lists come without their kind: it is filled in from `kind`. */
export function parseObject(value: unknown, kind: KindRef): KubeObject {
  const parsed = objectSchema.safeParse(value);
  if (!parsed.success) {
    const where = parsed.error.issues[0]?.path.join('.') ?? '';
    throw new KubeError('SERVER_ERROR', `the API server sent a ${kind.kind} that can't be read (${where})`);
  }
  const object = parsed.data;
  const { creationTimestamp, ...metadata } = object.metadata;
  Reflect.deleteProperty(metadata, 'managedFields');
  const created = typeof creationTimestamp === 'string' ? { creationTimestamp } : {};
  return {
    ...object,
    apiVersion: object.apiVersion ?? kind.apiVersion,
    kind: object.kind ?? kind.kind,
    metadata: { ...metadata, ...created },
  } as KubeObject;
}
