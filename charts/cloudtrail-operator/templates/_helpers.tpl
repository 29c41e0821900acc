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

{{/* The pod of `helm test` is not one of the operator's: nothing that selects those may select it. */}}
{{- define "cloudtrail-operator.testLabels" -}}
app.kubernetes.io/name: {{ include "cloudtrail-operator.name" . | trunc 58 | trimSuffix "-" }}-test
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

{{/* The operator's settings. The pod of `helm test` has the same. */}}
{{- define "cloudtrail-operator.environment" -}}
- name: CLOUDTRAIL_OPERATOR_COLLECTOR_IMAGE
  value: {{ include "cloudtrail-operator.image" (dict "root" . "image" .Values.collector.image) | quote }}
- name: CLOUDTRAIL_OPERATOR_WATCH_NAMESPACES
  value: {{ join "," .Values.watchNamespaces | quote }}
- name: CLOUDTRAIL_OPERATOR_POLL_SECONDS
  value: {{ .Values.pollSeconds | quote }}
- name: CLOUDTRAIL_OPERATOR_STATUS_SECONDS
  value: {{ .Values.statusSeconds | quote }}
- name: CLOUDTRAIL_OPERATOR_STALL_SECONDS
  value: {{ .Values.stallSeconds | quote }}
- name: CLOUDTRAIL_OPERATOR_LAG_SECONDS
  value: {{ .Values.lagSeconds | quote }}
- name: CLOUDTRAIL_OPERATOR_COLLECTOR_NODE_SELECTOR
  value: {{ .Values.collector.nodeSelector | toJson | quote }}
- name: CLOUDTRAIL_OPERATOR_COLLECTOR_TOLERATIONS
  value: {{ .Values.collector.tolerations | toJson | quote }}
- name: CLOUDTRAIL_OPERATOR_COLLECTOR_POD_ANNOTATIONS
  value: {{ .Values.collector.podAnnotations | toJson | quote }}
- name: CLOUDTRAIL_OPERATOR_COLLECTOR_EXTRA_ENV
  value: {{ .Values.collector.extraEnv | toJson | quote }}
- name: CLOUDTRAIL_OPERATOR_ALLOW_LIST
  value: {{ .Values.allowList | toJson | quote }}
- name: CLOUDTRAIL_OPERATOR_AWS_DOCUMENTS
  value: {{ .Values.awsDocuments.enabled | quote }}
- name: CLOUDTRAIL_OPERATOR_OIDC_ISSUER
  value: {{ .Values.awsDocuments.issuer | quote }}
- name: CLOUDTRAIL_OPERATOR_EKS_CLUSTER
  value: {{ .Values.awsDocuments.cluster | quote }}
- name: CLOUDTRAIL_OPERATOR_LEASE
  value: {{ printf "%s/%s" .Release.Namespace (include "cloudtrail-operator.fullname" .) | quote }}
- name: CLOUDTRAIL_OPERATOR_INSTANCE
  valueFrom:
    fieldRef: {fieldPath: metadata.name}
- name: CLOUDTRAIL_OPERATOR_LOG_LEVEL
  value: {{ .Values.logLevel | quote }}
- name: CLOUDTRAIL_OPERATOR_LISTEN_PORT
  value: "8080"
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Pod Security "restricted". */}}
{{- define "cloudtrail-operator.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "cloudtrail-operator.securityContext" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
readOnlyRootFilesystem: true
{{- end }}

{{/* What the operator puts on every pod of a collector. */}}
{{- define "cloudtrail-operator.collectorLabels" -}}
app.kubernetes.io/name: cloudtrail-collector
app.kubernetes.io/managed-by: cloudtrail-operator
{{- end }}

{{- define "cloudtrail-operator.dnsEgress" -}}
- ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
{{- end }}

{{/* Everything that the operator may do with what it serves; requests beyond it are refused. */}}
{{- define "cloudtrail-operator.rules" -}}
- apiGroups: [cloudtrail-operator.io]
  resources: [cloudtrailsources, cloudtrailbackfills]
  verbs: [get, list, watch]
- apiGroups: [cloudtrail-operator.io]
  resources: [cloudtrailsources/status, cloudtrailbackfills/status]
  verbs: [get, patch]
{{/* blockOwnerDeletion on children needs it where OwnerReferencesPermissionEnforcement is on, as on OpenShift. */ -}}
- apiGroups: [cloudtrail-operator.io]
  resources: [cloudtrailsources/finalizers, cloudtrailbackfills/finalizers]
  verbs: [update]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [configmaps, serviceaccounts, services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
{{/* Workers of a backfill get and patch the ConfigMaps of their notes. Kubernetes lets nobody give what he does not have. */ -}}
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
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
