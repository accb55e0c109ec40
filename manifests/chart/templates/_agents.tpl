{{- /* The security context of the job's container, for each variant, of an agent with the defaults merged in. */ -}}

{{- define "azp-scaler.agent.user-namespace" -}}
# For the file capabilities of newuidmap and newgidmap.
allowPrivilegeEscalation: true
capabilities:
  drop: [ALL]
  # In the bounding set only: the job's processes hold none of them, and they reach no further than the pod.
  add: [SETUID, SETGID, SYS_CHROOT, SYS_ADMIN]
seccompProfile:
  type: RuntimeDefault
appArmorProfile:
  type: Unconfined
# For `podman run`; building does without.
procMount: Unmasked
{{- end -}}

{{- define "azp-scaler.agent.without-sys-admin" -}}
allowPrivilegeEscalation: true
capabilities:
  drop: [ALL]
  add: [SETUID, SETGID]
# No seccomp profile, which a kubelet with `seccompDefault: true` would put on.
{{- with .appArmorProfile }}
appArmorProfile:
  type: Localhost
  localhostProfile: {{ . }}
{{- end }}
procMount: Unmasked
{{- end -}}

{{- define "azp-scaler.agent.restricted" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "azp-scaler.agent.host-users" -}}
allowPrivilegeEscalation: true
capabilities:
  drop: [ALL]
  add: [SETUID, SETGID]
seccompProfile:
  type: Unconfined
appArmorProfile:
  type: Unconfined
{{- end -}}

{{- define "azp-scaler.agent.privileged" -}}
privileged: true
{{- end -}}
