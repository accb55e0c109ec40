{{- define "azp-scaler.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "azp-scaler.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "azp-scaler.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "azp-scaler.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "azp-scaler.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name is needed where serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "azp-scaler.selectorLabels" -}}
app.kubernetes.io/name: {{ include "azp-scaler.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "azp-scaler.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "azp-scaler.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- /* Of the pod of `helm test`, which no Service may find. */ -}}
{{- define "azp-scaler.testLabels" -}}
app.kubernetes.io/name: {{ include "azp-scaler.name" . }}-test
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "azp-scaler.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- /* The address that this chart's own triggers ask at. */ -}}
{{- define "azp-scaler.address" -}}
{{- printf "%s.%s.svc.cluster.local:%d" (include "azp-scaler.fullname" .) .Release.Namespace (int .Values.grpc.port) -}}
{{- end -}}

{{- /* The names of the Service, short and long. */ -}}
{{- define "azp-scaler.hosts" -}}
{{- $name := include "azp-scaler.fullname" . -}}
{{- $short := printf "%s.%s" $name .Release.Namespace -}}
{{- list $short (printf "%s.svc" $short) (printf "%s.svc.cluster.local" $short) | toJson -}}
{{- end -}}

{{- define "azp-scaler.tlsSecret" -}}
{{- default (printf "%s-tls" (include "azp-scaler.fullname" .)) .Values.grpc.tls.secretName -}}
{{- end -}}

{{- /* Where an organization's Secret is mounted: by its place in the list, since names may hold anything. */ -}}
{{- define "azp-scaler.secretPath" -}}
{{- printf "/var/run/secrets/azp-scaler/%d/%s" (int .place) .what -}}
{{- end -}}

{{- /* The scaler's configuration. */ -}}
{{- define "azp-scaler.configuration" -}}
{{- $listed := list -}}
{{- range $place, $organization := .Values.organizations -}}
{{- $made := omit (deepCopy $organization) "certificateAuthority" -}}
{{- $credential := get $made "credential" -}}
{{- with get $credential "secret" -}}
{{- $path := printf "%s/%s" (include "azp-scaler.secretPath" (dict "place" $place "what" "credential")) .key -}}
{{- $file := ternary "secret_file" "file" (eq $credential.kind "client_secret") -}}
{{- $_ := set $made "credential" (set (omit $credential "secret") $file $path) -}}
{{- end -}}
{{- with $organization.certificateAuthority -}}
{{- $path := printf "%s/%s" (include "azp-scaler.secretPath" (dict "place" $place "what" "authority")) .key -}}
{{- $_ := set $made "certificate_authority" $path -}}
{{- end -}}
{{- $listed = append $listed $made -}}
{{- end -}}
{{- $grpc := dict "listen" (printf "0.0.0.0:%d" (int .Values.grpc.port)) "allow_tokens_without_tls" .Values.grpc.allowTokensWithoutTls -}}
{{- if .Values.grpc.tls.source -}}
{{- $tls := dict "certificate" "/var/run/secrets/azp-scaler/tls/tls.crt" "key" "/var/run/secrets/azp-scaler/tls/tls.key" -}}
{{- if .Values.grpc.tls.requireClientCertificate -}}
{{- $_ := set $tls "client_ca" "/var/run/secrets/azp-scaler/tls/ca.crt" -}}
{{- end -}}
{{- $_ := set $grpc "tls" $tls -}}
{{- end -}}
{{- $addresses := list -}}
{{- range (include "azp-scaler.hosts" . | fromJsonArray) -}}
{{- $addresses = append $addresses (printf "%s:%d" . (int $.Values.grpc.port)) -}}
{{- end -}}
{{- $kubernetes := dict "view" (ternary "on" "off" .Values.kubernetes.view) "leader_election" .Values.kubernetes.leaderElection -}}
{{- if .Values.kubernetes.view -}}
{{- $_ := set $kubernetes "addresses" (concat $addresses .Values.kubernetes.addresses) -}}
{{- end -}}
{{- $http := dict "listen" (printf "0.0.0.0:%d" (int .Values.http.port)) -}}
{{- with .Values.http.hooksSecret.name -}}
{{- $_ := set $http "hooks" (dict "secret_file" (printf "/var/run/secrets/azp-scaler/hooks/%s" $.Values.http.hooksSecret.key)) -}}
{{- end -}}
{{- $made := dict "grpc" $grpc "http" $http "kubernetes" $kubernetes "organizations" $listed -}}
{{- mergeOverwrite (deepCopy .Values.config) $made | toYaml -}}
{{- end -}}
