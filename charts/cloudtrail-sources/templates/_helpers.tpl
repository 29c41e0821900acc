{{- define "cloudtrail-sources.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: cloudtrail-operator
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* Changes `base` to what `over` says; objects are merged. Sprig's own merging takes false and 0 for absent. */}}
{{- define "cloudtrail-sources.merge" -}}
{{- range $key, $value := .over }}
{{- if and (kindIs "map" $value) (kindIs "map" (get $.base $key)) }}
{{- include "cloudtrail-sources.merge" (dict "base" (get $.base $key) "over" $value) }}
{{- else }}
{{- $_ := set $.base $key $value }}
{{- end }}
{{- end }}
{{- end }}

{{/* Every resource of a kind, by name. */}}
{{- define "cloudtrail-sources.resources" -}}
{{- $root := .root }}
{{- range $name, $resource := .resources }}
{{- if not (kindIs "invalid" $resource) }}
{{- $spec := deepCopy (default (dict) $.defaults) }}
{{- include "cloudtrail-sources.merge" (dict "base" $spec "over" (default (dict) $resource.spec)) }}
{{- $labels := include "cloudtrail-sources.labels" $root | fromYaml }}
{{- $_ := set $labels "app.kubernetes.io/component" (trimPrefix "CloudTrail" $.kind | lower) }}
{{- include "cloudtrail-sources.merge" (dict "base" $labels "over" $root.Values.labels) }}
{{- include "cloudtrail-sources.merge" (dict "base" $labels "over" (default (dict) $resource.labels)) }}
{{- $annotations := deepCopy $root.Values.annotations }}
{{- include "cloudtrail-sources.merge" (dict "base" $annotations "over" (default (dict) $resource.annotations)) }}
---
apiVersion: cloudtrail-operator.io/v1alpha1
kind: {{ $.kind }}
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- toYaml $labels | nindent 4 }}
  {{- with $annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- toYaml $spec | nindent 2 }}
{{ end }}
{{- end }}
{{- end }}
