"""bundle.py POD PREFLIGHT ROOTFS SECCOMP JOB CGROUP2 BUNDLE

Makes a bundle for runc of what a kubelet would start: the container `agent` of a rendered ScaledJob, on a copy of the image's files,
with the capabilities, seccomp profile, masked paths and user namespace that its security context says. AppArmor is left out.
In it, a second bundle that differs in its command and volumes: BUNDLE/preflight, of the rendered Job of manifests/preflight.
"""
import json
import os
import subprocess
import sys

import yaml

pod, preflight, rootfs, seccomp, job, cgroup2, bundle = sys.argv[1:]
with open(pod) as file:
    pod = yaml.safe_load(file)["spec"]["jobTargetRef"]["template"]["spec"]
with open(preflight) as file:
    preflight = yaml.safe_load(file)["spec"]["template"]["spec"]
agent = next(container for container in pod["containers"] if container["name"] == "agent")
(preflight_agent,) = preflight["containers"]
# Where what a node must be able to do differs, the preflight tells of another variant.
for key in ("hostUsers", "securityContext", "nodeSelector", "tolerations"):
    if pod.get(key) != preflight.get(key):
        sys.exit(f"the preflight's pod has another {key}")
for key in ("image", "securityContext"):
    if agent[key] != preflight_agent[key]:
        sys.exit(f"the preflight's container has another {key}")
context = {**pod["securityContext"], **agent["securityContext"]}
privileged = context.get("privileged", False)
own_users = pod.get("hostUsers") is False
# Where the 65,536 ids of the pod begin on the machine.
first = 231072 if own_users else 0

with open("/proc/sys/kernel/cap_last_cap") as file:
    last = int(file.read())
everything = """CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE
SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM
BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE""".split()[: last + 1]
with open("/proc/self/status") as file:
    held = next(int(line.split()[1], 16) for line in file if line.startswith("CapBnd:"))
# No container can have what this machine does not give.
everything = [name for number, name in enumerate(everything) if held >> number & 1]
if not privileged and context["capabilities"]["drop"] != ["ALL"]:
    sys.exit("the agent keeps capabilities that it does not name")
names = everything if privileged else context["capabilities"].get("add", [])
capabilities = [f"CAP_{name}" for name in names]

os.makedirs(bundle)
root = f"{bundle}/rootfs"
subprocess.run(["cp", "-a", rootfs, root], check=True)
if own_users:
    # A kubelet maps the ids of the files by the mount; here the files themselves are given them.
    for folder, _, files in os.walk(root):
        links = [name for name in os.listdir(folder) if os.path.islink(f"{folder}/{name}")]
        for path in {folder, *(f"{folder}/{name}" for name in files + links)}:
            status = os.lstat(path)
            os.lchown(path, status.st_uid + first, status.st_gid + first)
    for program, capability in (("newuidmap", "cap_setuid"), ("newgidmap", "cap_setgid")):
        subprocess.run(["setcap", "-n", str(first), f"{capability}+ep", f"{root}/usr/bin/{program}"], check=True)


def mount(destination, kind, *options, source=None):
    return {"destination": destination, "type": kind, "source": source or kind, "options": list(options)}


safe = ("nosuid", "noexec", "nodev")
mounts = [
    mount("/proc", "proc"),
    mount("/dev", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
    mount("/dev/pts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
    mount("/dev/shm", "tmpfs", *safe, "mode=1777"),
    mount("/dev/mqueue", "mqueue", *safe),
    mount("/sys", "sysfs", *safe, "rw" if privileged else "ro"),
    mount("/sys/fs/cgroup", "bind", "rbind", "ro", *safe, source=cgroup2),
]


def volumes(container, folder):
    # As a kubelet makes them where there is no fsGroup.
    for volume in container["volumeMounts"]:
        source = f"{folder}/{volume['name']}"
        os.mkdir(source)
        os.chown(source, first, first)
        os.chmod(source, 0o777)
        yield mount(volume["mountPath"], "bind", "rbind", "rw", source=source)


agent_volumes = list(volumes(agent, bundle))
os.mkdir(f"{bundle}/preflight")
preflight_volumes = list(volumes(preflight_agent, f"{bundle}/preflight"))
# As a kubelet gives it to whoever the container runs as.
message = f"{bundle}/preflight/message"
open(message, "w").close()
os.chmod(message, 0o666)
preflight_volumes.append(mount("/dev/termination-log", "bind", "rbind", "rw", source=message))
subprocess.run(["cp", "/bin/busybox", "/usr/bin/docker-registry", job, f"{bundle}/work"], check=True)

linux = {"namespaces": [{"type": kind} for kind in ("pid", "mount", "ipc", "uts", "network")]}
if own_users:
    linux["namespaces"].append({"type": "user"})
    linux["uidMappings"] = linux["gidMappings"] = [{"containerID": 0, "hostID": first, "size": 65536}]
if not privileged:
    if context.get("procMount", "Default") == "Default":
        linux["maskedPaths"] = [
            f"/proc/{name}"
            for name in ("asound", "acpi", "kcore", "keys", "latency_stats", "timer_list", "timer_stats", "sched_debug", "scsi")
        ] + ["/sys/firmware", "/sys/devices/virtual/powercap"]
        linux["readonlyPaths"] = [f"/proc/{name}" for name in ("bus", "fs", "irq", "sys", "sysrq-trigger")]
    if context.get("seccompProfile", {}).get("type") == "RuntimeDefault":
        profile = subprocess.run([seccomp, *capabilities], check=True, capture_output=True)
        linux["seccomp"] = json.loads(profile.stdout)

process = {
    "terminal": False,
    "user": {"uid": context["runAsUser"], "gid": context["runAsGroup"]},
    "cwd": "/azp",
    "env": ["PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin", "HOME=/home/agent", "LANG=C.UTF-8", "BUILDAH_ISOLATION=chroot"],
    "args": ["sh", f"/azp/work/{os.path.basename(job)}"],
    "capabilities": {kind: capabilities for kind in ("bounding", "effective", "permitted")},
    "noNewPrivileges": not context.get("allowPrivilegeEscalation", True),
}
for folder, volumes_there, command in (
    (bundle, agent_volumes, process["args"]),
    (f"{bundle}/preflight", preflight_volumes, preflight_agent["command"] + preflight_agent["args"]),
):
    config = {
        "ociVersion": "1.0.2",
        "hostname": "agent",
        "root": {"path": root},
        "mounts": mounts + volumes_there,
        "linux": linux,
        "process": {**process, "args": command},
    }
    with open(f"{folder}/config.json", "w") as file:
        json.dump(config, file, indent=1)
