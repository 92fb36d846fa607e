{{- /* An image reference from {repository, tag, digest}: the digest wins, the tag stays readable. */ -}}
{{- define "image" -}}
{{ .repository }}{{ with .tag }}:{{ . }}{{ end }}{{ with .digest }}@{{ . }}{{ end }}
{{- end -}}

{{- define "labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: sealift
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "restricted" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{- /* The registry as nodes reach it: the value, else the ClusterIP as the API server or kubelet tells it. */ -}}
{{- define "registryAddress" -}}
{{- $service := lookup "v1" "Service" .Release.Namespace "registry" -}}
{{- if .Values.registry.address -}}
{{ .Values.registry.address }}
{{- else if $service -}}
{{ $service.spec.clusterIP }}
{{- else -}}
$(REGISTRY_SERVICE_HOST)
{{- end -}}
{{- end -}}
