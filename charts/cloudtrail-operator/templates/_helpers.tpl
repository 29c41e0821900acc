{{- define "cloudtrail-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "cloudtrail-operator.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "cloudtrail-operator.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "cloudtrail-operator.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "cloudtrail-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "cloudtrail-operator.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name is needed when serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "cloudtrail-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "cloudtrail-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* managed-by is Helm here; what the operator makes is managed by the operator, and told apart by it. */}}
{{- define "cloudtrail-operator.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "cloudtrail-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: operator
app.kubernetes.io/part-of: cloudtrail-operator
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* An image with its tag (appVersion unless given) and, if given, its digest. */}}
{{- define "cloudtrail-operator.image" -}}
{{- $tag := default .root.Chart.AppVersion .image.tag -}}
{{- printf "%s:%s" .image.repository $tag }}{{ with .image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/* Everything that the operator may do with what it serves; requests beyond it are refused. */}}
{{- define "cloudtrail-operator.rules" -}}
- apiGroups: [cloudtrail-operator.io]
  resources: [cloudtrailsources]
  verbs: [get, list, watch]
- apiGroups: [cloudtrail-operator.io]
  resources: [cloudtrailsources/status]
  verbs: [get, patch]
{{/* blockOwnerDeletion on children needs it where OwnerReferencesPermissionEnforcement is on, as on OpenShift. */ -}}
- apiGroups: [cloudtrail-operator.io]
  resources: [cloudtrailsources/finalizers]
  verbs: [update]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [configmaps, serviceaccounts, services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch, create, patch, delete]
{{/* Served where KEDA is installed, then or later. A rule for what is not there does no harm. */ -}}
- apiGroups: [keda.sh]
  resources: [scaledobjects, triggerauthentications]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end }}
