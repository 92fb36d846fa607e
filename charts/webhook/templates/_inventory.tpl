{{- /* A guard over the pods of some namespaces: `allowed` is a CEL expression over `image`. */ -}}
{{- define "imageGuard" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: {{ .name }}
  labels: {{- include "labels" .root | nindent 4 }}
spec:
  failurePolicy: Fail
  matchConstraints:
    namespaceSelector:
      matchExpressions:
        - { key: kubernetes.io/metadata.name, operator: In, values: {{ toJson .namespaces }} }
    resourceRules:
      - apiGroups: [""]
        apiVersions: [v1]
        operations: [CREATE, UPDATE]
        resources: [pods, pods/ephemeralcontainers]
        scope: Namespaced
  matchConditions: {{- include "specChanges" .root | nindent 4 }}
  variables:
    - name: allowed
      expression: {{ toJson .allowed | quote }}
    - name: images
      expression: >-
        object.spec.containers.map(c, c.image)
        + (has(object.spec.initContainers) ? object.spec.initContainers.map(c, c.image) : [])
        + (has(object.spec.ephemeralContainers) ? object.spec.ephemeralContainers.map(c, c.image) : [])
    - name: foreign
      expression: variables.images.filter(image, !({{ .expression }}))
  validations:
    - expression: size(variables.foreign) == 0
      messageExpression: >-
        'sealift: not in the inventory of this namespace: ' + variables.foreign.join(', ')
    # An image volume brings content into a pod like a container's image does; nothing here needs one.
    - expression: "!has(object.spec.volumes) || object.spec.volumes.all(v, !has(v.image))"
      message: "sealift: image volumes are not taken in this namespace"
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ .name }}
  labels: {{- include "labels" .root | nindent 4 }}
spec:
  policyName: {{ .name }}
  validationActions: [Deny]
{{- end -}}
