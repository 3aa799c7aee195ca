//! `podman info`, `docker info` and `nerdctl info` without what they show of the owner: addresses, accounts, own paths.

use serde_json::{Map, Value};

use super::Names;

/// The keys whose values are shown, on every level (podman `libpod/define/info.go`, moby `api/types/system/info.go`). Among
/// the others are registries, proxies, labels, names and IDs.
const KEYS: &str = "host arch buildahVersion cgroupControllers cgroupManager cgroupVersion conmon package path version \
    cpuUtilization userPercent systemPercent idlePercent cpus databaseBackend distribution variant \
    codename emulatedArchitectures eventLogger freeLocks idMappings uidmap gidmap container_id host_id \
    size kernel linkmode logDriver memFree memTotal networkBackend networkBackendInfo backend \
    default_driver dns ociRuntime name os pasta executable remoteSocket exists rootlessNetworkCmd \
    security apparmorEnabled capabilities rootless seccompEnabled seccompProfilePath selinuxEnabled \
    serviceIsRemote slirp4netns swapFree swapTotal uptime plugins log network volume store configFile \
    containerStore number paused running stopped graphDriverName graphOptions overlay.mount_program \
    Executable Package Version overlay.mountopt overlay.ignore_chown_errors graphRoot graphRootAllocated \
    graphRootUsed graphStatus imageCopyTmpDir imageStore runRoot transientStore volumePath APIVersion \
    BuildOrigin Built BuiltTime GitCommit GoVersion Os OsArch Containers ContainersRunning \
    ContainersPaused ContainersStopped Images Driver DriverStatus Plugins Volume Network Log MemoryLimit \
    SwapLimit KernelMemoryTCP CpuCfsPeriod CpuCfsQuota CPUShares CPUSet PidsLimit IPv4Forwarding \
    BridgeNfIptables BridgeNfIp6tables Debug NFd OomKillDisable NGoroutines SystemTime LoggingDriver \
    CgroupDriver CgroupVersion NEventsListener KernelVersion OperatingSystem OSVersion OSType \
    Architecture NCPU MemTotal DockerRootDir ExperimentalBuild ServerVersion Runtimes runc crun \
    io.containerd.runc.v2 DefaultRuntime LiveRestoreEnabled Isolation InitBinary ContainerdCommit \
    RuncCommit InitCommit FirewallBackend SecurityOptions CDISpecDirs Warnings ServerErrors";

/// The keys of `graphStatus` (containers/storage `drivers/overlay/overlay.go`).
const GRAPH_STATUS: [&str; 6] = [
    "Backing Filesystem",
    "Native Overlay Diff",
    "Supports d_type",
    "Supports shifting",
    "Supports volatile",
    "Using metacopy",
];

/// The directories of distributions and their programs: a path elsewhere was named by the owner.
const DIRS: [&str; 9] =
    ["/bin/", "/etc/", "/home/user/", "/lib/", "/proc/", "/run/", "/sbin/", "/usr/", "/var/lib/"];

const HIDDEN: &str = "<hidden>";

/// Values that may be published.
pub(crate) fn info(info: Value, names: &Names) -> Value {
    shown(names.value(info))
}

fn shown(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let field = |(key, value): (String, Value)| {
                let value = if is_key(&key) { shown(value) } else { HIDDEN.into() };
                (key, value)
            };
            // A key that is not known can be a name of the owner's, such as that of a registry.
            let is_hidden = |(key, _): &(String, Value)| key.contains(['.', '/', ':']) && !is_key(key);
            Value::Object(
                fields.into_iter().filter(|field| !is_hidden(field)).map(field).collect::<Map<_, _>>(),
            )
        }
        Value::Array(items) => Value::Array(items.into_iter().map(shown).collect()),
        Value::String(text) if is_owners(&text) => HIDDEN.into(),
        other => other,
    }
}

fn is_key(key: &str) -> bool {
    KEYS.split(' ').chain(GRAPH_STATUS).any(|known| known == key)
}

/// Whether a text is an address, or a path that the owner chose.
fn is_owners(text: &str) -> bool {
    text.contains("://") && !text.starts_with("unix:///")
        || text.starts_with('/') && !DIRS.iter().any(|dir| text.starts_with(dir))
}
