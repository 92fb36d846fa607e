import type { AdmissionRequest } from './admission-review.ts';
import { imagesInWorkload, type WorkloadImage } from './images-in-workload.ts';
import { WebhookError } from './webhook-error.ts';

/**
 * The images that a request would add: all of a CREATE's; of an UPDATE's those that the old object does not hold. An
 * image is held when the same text stands at the same place, or anywhere when it names a digest: the same tag in
 * another container may be fetched anew, and then be something else. So changes of labels, finalizers and replicas
 * always pass, an object being deleted can be finished, and a deletion timestamp lets nothing new in.
 * @throws WebhookError as {@link imagesInWorkload}; `OBJECT_MALFORMED` when the request holds no object.
 */
export function addedImages(request: AdmissionRequest): readonly WorkloadImage[] {
  const { kind, object, oldObject, operation } = request;
  if (operation !== 'CREATE' && operation !== 'UPDATE') return [];
  if (object === undefined || object === null) {
    throw new WebhookError('OBJECT_MALFORMED', `the ${operation} holds no object`);
  }
  const wanted = imagesInWorkload(kind, object);
  if (operation === 'CREATE' || oldObject === undefined || oldObject === null) return wanted;
  const held = imagesInWorkload(kind, oldObject);
  const places = new Set(held.map(({ place, image }) => `${place} ${image}`));
  const digests = new Set(held.map(({ image }) => image).filter((image) => image.includes('@sha256:')));
  return wanted.filter(({ place, image }) => !places.has(`${place} ${image}`) && !digests.has(image));
}
