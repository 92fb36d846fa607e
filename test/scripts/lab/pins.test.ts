import test from 'ava';
import { BINARIES, binaryPin } from '../../../scripts/lab/pins.ts';

test('each program is pinned once', (t) => {
  const names = BINARIES.map((pin) => pin.name);
  t.is(new Set(names).size, names.length);
});

test('every pin is an exact version', (t) => {
  for (const pin of BINARIES) t.regex(pin.version, /^v\d+\.\d+\.\d+$/, pin.name);
});

test('a pin is found by name', (t) => {
  t.is(binaryPin('fulcio').package, 'github.com/sigstore/fulcio');
  t.is(binaryPin('kubelet').module, 'k8s.io/kubernetes');
});

test('an unknown name is refused with the names there are', (t) => {
  const error = t.throws(() => binaryPin('kubectx'), { code: 'PIN_UNKNOWN' });
  t.regex(String((error as { fix?: string }).fix), /kubelet/);
});
