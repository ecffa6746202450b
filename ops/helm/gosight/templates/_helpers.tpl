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
{{ toJson (ternary (list) (list (printf "%s-aggregator:7720" (include "gosight.name" .))) (not (empty .Values.fleet.keySecret))) }}
{{- end -}}
{{- end -}}

{{/* Of a fleet: settings of each member, and what its container needs for them. */}}
{{- define "gosight.fleet" -}}
{{ dict "fleet-join" (list (printf "%s-fleet" (include "gosight.name" .))) "fleet-key-file" "/secrets/fleet/keys" | toJson }}
{{- end -}}

{{- define "gosight.fleetEnv" -}}
{{- if .Values.fleet.keySecret -}}
- name: POD_IP
  valueFrom: {fieldRef: {fieldPath: status.podIP}}
- {name: GOSIGHT_FLEET_ADDR, value: "$(POD_IP):7946"}
{{- end -}}
{{- end -}}

{{- define "gosight.fleetPorts" -}}
{{- if .Values.fleet.keySecret -}}
- {name: gossip, containerPort: 7946}
- {name: gossip-udp, containerPort: 7946, protocol: UDP}
{{- end -}}
{{- end -}}

{{- define "gosight.fleetMount" -}}
{{- if .Values.fleet.keySecret -}}
- {name: fleet, mountPath: /secrets/fleet, readOnly: true}
{{- end -}}
{{- end -}}

{{- define "gosight.fleetVolume" -}}
{{- with .Values.fleet.keySecret -}}
- name: fleet
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end -}}
{{- end -}}
