import test from 'ava';
import type { BinaryPin } from '../../../scripts/lab/pins.ts';
import { linkerFlags, wrapperGoMod } from '../../../scripts/lab/wrapper-module.ts';

const pin: BinaryPin = {
  name: 'kubelet',
  module: 'k8s.io/kubernetes',
  version: 'v1.34.4',
  package: 'k8s.io/kubernetes/cmd/kubelet',
  siblingVersion: 'v0.34.4',
};

test('a wrapper has upstream’s requirements, another name, and upstream itself', (t) => {
  const text = wrapperGoMod('module k8s.io/kubernetes\n\ngo 1.24.0\n\nrequire a.example/b v1.2.3\n', pin);
  t.is(
    text,
    'module sealift.invalid/lab-build\n\ngo 1.24.0\n\nrequire a.example/b v1.2.3\n\nrequire k8s.io/kubernetes v1.34.4\n',
  );
});

test('a sibling at v0.0.0 is replaced by its published version', (t) => {
  const text = wrapperGoMod(
    'module k\nrequire (\n\tk8s.io/api v0.0.0\n)\nreplace (\n\tk8s.io/api => ./staging/src/k8s.io/api\n)\n',
    pin,
  );
  t.true(text.includes('k8s.io/api => k8s.io/api v0.34.4'));
});

test('a sibling with a version of its own loses its replacement', (t) => {
  const text = wrapperGoMod('module k\nrequire e.example/api v3.6.8\nreplace e.example/api => ../api\n', pin);
  t.false(text.includes('=>'));
});

test('a forbidden sibling that nothing requires is dropped', (t) => {
  const text = wrapperGoMod('module k\nreplace e.example/old => ./FORBIDDEN_DEPENDENCY\n', pin);
  t.false(text.includes('FORBIDDEN'));
});

test('a replacement by another module stays', (t) => {
  const text = wrapperGoMod('module k\nreplace a.example/x => b.example/x v1.0.0\n', pin);
  t.true(text.includes('replace a.example/x => b.example/x v1.0.0'));
});

test('a toolchain line is dropped, so that the Go that is there builds', (t) => {
  t.false(wrapperGoMod('module k\n\ngo 1.24.0\n\ntoolchain go1.26.6\n', pin).includes('toolchain'));
});

test('linker flags strip symbols and set the pin’s own', (t) => {
  t.is(linkerFlags(pin), '-s -w');
  t.is(linkerFlags({ ...pin, symbols: { 'a/b.v': '1' } }), '-s -w -X a/b.v=1');
});

test('upstream’s tools are not its wrapper’s', (t) => {
  const text = wrapperGoMod('module k\ntool (\n\ta.example/lint\n)\ntool b.example/fmt\n', pin);
  t.false(text.includes('tool'));
  t.false(text.includes('lint'));
});
