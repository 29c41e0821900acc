{{/* What somebody who installs this should know before it hurts, a line each. */}}
{{- define "cloudtrail-operator.warnings" -}}
{{- $warnings := list }}
{{- if eq (int .Values.replicas) 0 }}
{{- $warnings = append $warnings "replicas is 0: no operator runs, and changes of sources have no effect." }}
{{- end }}
{{- if not .Values.crds.install }}
{{- if not (.Capabilities.APIVersions.Has "cloudtrail-operator.io/v1alpha1/CloudTrailSource") }}
{{- $warnings = append $warnings "The CRDs are neither part of this release (crds.install) nor in the cluster: the operator waits for cloudtrailsources.cloudtrail-operator.io." }}
{{- end }}
{{- else if not .Values.crds.keep }}
{{- $warnings = append $warnings "crds.keep is false: to uninstall this release deletes the CRDs, and with them every source of the cluster." }}
{{- end }}
{{- if not .Values.allowList }}
{{- $warnings = append $warnings "Sources may name any role, bucket and queue: set allowList where namespaces belong to several teams." }}
{{- end }}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.collectors.enabled) }}
{{- $warnings = append $warnings "networkPolicy.collectors.enabled is false: only the operator's own traffic is bounded." }}
{{- end }}
{{- range $name := list "monitors" "prometheusRule" }}
{{- $enabled := (get $.Values $name).enabled }}
{{- if and (eq (toString $enabled) "true") (not ($.Capabilities.APIVersions.Has "monitoring.coreos.com/v1")) }}
{{- $warnings = append $warnings (printf "%s.enabled is true, but the cluster does not serve monitoring.coreos.com/v1: it must before this is applied." $name) }}
{{- end }}
{{- end }}
{{- range $image := list (dict "name" "image" "image" .Values.image) (dict "name" "collector.image" "image" .Values.collector.image) }}
{{- if and (eq $image.image.tag "latest") (not $image.image.digest) }}
{{- $warnings = append $warnings (printf "%s.tag is latest: pods that start at different times may run different programs." $image.name) }}
{{- end }}
{{- end }}
{{- range $warnings }}

WARNING: {{ . }}
{{- end }}
{{- end }}
