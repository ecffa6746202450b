{{- define "gosight.name" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Call with (dict "root" . "part" "agent"). */}}
{{- define "gosight.selector" -}}
app.kubernetes.io/name: gosight
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end -}}

{{- define "gosight.labels" -}}
{{ include "gosight.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end -}}

{{/* Call with (dict "root" . "image" .Values.agent.image). */}}
{{- define "gosight.image" -}}
{{ .image.repository }}:{{ default .root.Chart.AppVersion .image.tag }}
{{- end -}}

{{- define "gosight.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "gosight.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Aggregators that agents relay to. */}}
{{- define "gosight.aggregators" -}}
{{- if .Values.agent.aggregators -}}
{{ toJson .Values.agent.aggregators }}
{{- else -}}
["{{ include "gosight.name" . }}-aggregator:7720"]
{{- end -}}
{{- end -}}
