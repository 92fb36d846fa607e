{{- /* What is judged: everything that holds a pod spec. Scale, status and eviction bring no image and are not hooked. */ -}}
{{- define "workloadRules" -}}
- apiGroups: [""]
  apiVersions: [v1]
  operations: [CREATE, UPDATE]
  resources: [pods, pods/ephemeralcontainers, replicationcontrollers, podtemplates]
  scope: Namespaced
- apiGroups: [apps]
  apiVersions: [v1]
  operations: [CREATE, UPDATE]
  resources: [deployments, replicasets, statefulsets, daemonsets]
  scope: Namespaced
- apiGroups: [batch]
  apiVersions: [v1]
  operations: [CREATE, UPDATE]
  resources: [jobs, cronjobs]
  scope: Namespaced
{{- end -}}

{{- define "outsideExemptNamespaces" -}}
matchExpressions:
  # The API server sets this label itself; nobody can take it off a namespace.
  - key: kubernetes.io/metadata.name
    operator: NotIn
    values: {{- toYaml .Values.exemptNamespaces | nindent 6 }}
{{- end -}}

{{- /* Labels, finalizers and the like never wait for the webhook: garbage collection goes on while it is away. */ -}}
{{- define "specChanges" -}}
- name: spec-changes
  expression: >-
    request.operation != 'UPDATE' || !has(object.spec) || !has(oldObject.spec) || object.spec != oldObject.spec
{{- end -}}

{{- define "client" -}}
clientConfig:
  caBundle: {{ required "caBundle: base64 of the CA of the webhook's certificate" .root.Values.caBundle }}
  service: { namespace: {{ .root.Release.Namespace }}, name: webhook, path: {{ .path }}, port: 443 }
admissionReviewVersions: [v1]
failurePolicy: Fail
matchPolicy: Equivalent
sideEffects: None
timeoutSeconds: 10
{{- end -}}
