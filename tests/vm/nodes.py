"""What `kind-wsl inspect` says of a real node, against what the machine's own files and programs say."""
import contextlib
import json
import re
import time

from report import expect

CLUSTER, NODE = "kind", "kind-control-plane"
WRAPPER = "systemd-run --user --scope -q -p Delegate=yes -- "
PODS = {"kube-system/kube-apiserver-kind-control-plane": "kube-apiserver", "default/nginx": "nginx", "default/limited": "sleeper"}
# The memory of a quiet cgroup moves a little, and the kernel counts it in batches.
BATCH = 2 << 20

# One line a cgroup of the tree, from nothing but the kernel's files; without a process for each, which takes long in the machine.
READ = r"""cd "$1" && find . -type d | while read -r dir; do
  one() { text=; while read -r line; do text="$text$line "; done < "$dir/$1" || text=-; printf '|%s' "$text"; }
  printf '%s' "${dir#.}"
  for file in cgroup.type cgroup.controllers cgroup.subtree_control cgroup.procs pids.current pids.max memory.current memory.max cpu.max cgroup.freeze memory.events; do one $file; done
  echo
done 2>/dev/null"""

# Each type that a cgroup can have, in a scope that may make them: the process that makes them has to leave for `own`.
TYPES = r"""cd "/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)" && mkdir -p own top/invalid top/threads mid/leaf || exit 1
(echo $BASHPID > mid/leaf/cgroup.procs && exec sleep 600) & sleeper=$!
until grep -q . mid/leaf/cgroup.procs; do :; done
echo $BASHPID > own/cgroup.procs && echo threaded > top/threads/cgroup.type && echo '+memory +pids' > cgroup.subtree_control || exit 1
echo '+memory +pids' > mid/cgroup.subtree_control && echo +pids > mid/leaf/cgroup.subtree_control || exit 1
kind-wsl inspect --json
find * -type d | while read -r dir; do echo "$dir|$(cat "$dir/cgroup.type")|$(cat "$dir/cgroup.subtree_control")"; done
kill $sleeper; wait; until rmdir mid/leaf 2>/dev/null; do :; done; rmdir mid top/invalid top/threads top"""


class Reading:
    """A cgroup as the kernel's files tell it."""

    def __init__(self, fields):
        (self.type, controllers, enabled, procs, self.pids, self.pids_max, self.memory, self.memory_max, self.cpu_max, self.frozen, events) = (f.strip() for f in fields)
        killed = re.search(r"oom_kill (\d+)", events)
        self.oom_kills = int(killed[1]) if killed else 0
        self.offered, self.enabled = sorted(controllers.split()), sorted(enabled.split())
        self.processes = sorted(int(pid) for pid in procs.split())


def flat(cgroup, path=""):
    """{path below the top: cgroup}, of the tree in inspect's JSON."""
    found = {path: cgroup}
    for child in cgroup.get("children", []):
        found |= flat(child, f"{path}/{child['name']}")
    return found


def said(cgroup):
    """The same facts as a Reading has, from inspect's JSON, as (name, value)."""
    def limit(group, key):
        return "-" if group not in cgroup else str(cgroup[group][key]) if cgroup[group][key] is not None else "max"
    cpu = cgroup["cpu"]
    quota = "-" if not cpu["period_usec"] else f"{cpu['quota_usec'] or 'max'} {cpu['period_usec']}"
    return {"type": cgroup["type"], "offered": sorted(cgroup["offered"]), "enabled": sorted(cgroup["enabled"]),
            "processes": sorted(p["pid"] for p in cgroup["processes"]), "pids": limit("pids", "current"), "pids_max": limit("pids", "max"),
            "memory": limit("memory", "current"), "memory_max": limit("memory", "max"), "cpu_max": quota}


class Nodes:
    def __init__(self, story, machine, subject, restarted):
        self.story, self.machine, self.subject, self.restarted = story, machine, subject, restarted

    def json(self, args="", code=0, before="", **how):
        result = self.machine.run(f"{before}kind-wsl inspect {args} --json", **how)
        expect(result.code == code, f"`kind-wsl inspect {args} --json` ended with {result.code}, not {code}:\n{result.text[-2000:]}")
        self.seconds = result.seconds
        return json.loads(result.out)

    def node_of(self, document):
        """The node as inspect lists it, and its cgroups by their path below the node's own."""
        node = next(n for n in document["nodes"] if n["name"] == NODE)
        top = document["tree"]
        cgroups = flat(top)
        expect(node.get("cgroup"), f"no cgroup: {node}")
        root = node["cgroup"].removeprefix(top["path"])
        expect(root in cgroups, f"{node['cgroup']} is not in the tree")
        return node, {path.removeprefix(root): cgroup for path, cgroup in cgroups.items() if path == root or path.startswith(f"{root}/")}

    def read(self, path):
        lines = self.machine.exec(["/bin/sh", "-c", READ, "sh", path]).out.splitlines()
        return {fields[0]: Reading(fields[1:]) for fields in (line.split("|") for line in lines) if len(fields) == 12}

    # -- before there is a cluster

    def without_cluster(self):
        with self.story.check("inspect without a cluster shows the user's tree and reports no cluster"):
            text = self.subject.call("inspect").out
            expect("podman has no cluster" in text and "app.slice" in text, text)
            expect(self.json()["nodes"] == [], "nodes without a cluster")
            result = self.subject.call("inspect nosuch", code=2)
            expect("unknown cluster `nosuch`" in result.err and "podman has no cluster" in result.err, result.text)

        with self.story.check("every cgroup type matches the kernel, also a leaf with threaded children"):
            self.types()

    def types(self):
        text = self.scope(TYPES).out
        document, end = json.JSONDecoder().raw_decode(text)
        cgroups = flat(document["tree"])
        lines = [line.split("|") for line in text[end:].split("\n") if "|" in line]
        expect({kind for _, kind, _ in lines} == {"domain", "domain threaded", "domain invalid", "threaded"}, f"the kernel made {lines}")
        expect(["mid/leaf", "domain threaded", "pids"] in lines, f"{lines}")
        for path, kind, enabled in lines:
            found = [c for at, c in cgroups.items() if at.endswith(f".scope/{path}")]
            expect(len(found) == 1 and (found[0]["type"], found[0]["enabled"]) == (kind, enabled.split()), f"{path} is {kind}, enables {enabled!r}; inspect: {found}")

    # -- with one

    def with_cluster(self):
        check = self.story.check
        with check("inspect without root shows the node, its controllers and its processes"):
            self.placed()
        with check("inspect's values of every cgroup match the kernel's files"):
            self.agrees()
        with check("pods and containers have their names from containerd"):
            self.named()
        with check("nginx's master is root inside and the user outside, its worker 101 and 100100; ps agrees"):
            self.users()
        with check("the limits of a pod are those of its slice"):
            self.limits()
        with check("an unknown cluster name is refused, with the list of clusters"):
            result = self.subject.call("inspect kin", code=2)
            expect("unknown cluster `kin`" in result.err and "did you mean `kind`?" in result.err, result.text)
            expect([n["name"] for n in self.json(CLUSTER)["nodes"]] == [NODE] == [n["name"] for n in self.json(NODE)["nodes"]], "the cluster's own name")
        with check("with a podman that hangs, inspect shows the tree without names"):
            self.hanging()
        with check("a thousand cgroups are read"):
            self.thousand()
        with check("doctor finds no error in the cluster"):
            self.doctor()
        with check("inspect reports a paused node as frozen and does not wait"):
            self.paused()
        if self.restarted:
            with check("a stopped node is reported as stopped; after a start it has its pods"):
                self.stopped()

    def placed(self):
        document = self.json()
        self.story.say(f"inspect took {self.seconds:.1f} s here; in {document['tree']['path']}")
        expect(document["schema"] == 1 and document["provider"] == "podman" and not document.get("silent"), f"{document.get('silent')}")
        node, below = self.node_of(document)
        self.id = self.machine.must(f"podman inspect -f '{{{{.Id}}}}' {NODE}").out.strip()
        expect(node["id"] == self.id and node["cgroup"].endswith(f"/{self.id}"), f"{node}")
        expect((node["cluster"], node["role"], node["state"]) == (CLUSTER, "control-plane", "running"), f"{node}")
        own = below[""]
        expect(own["type"] == "domain" and own["processes"] == [], f"the node's own cgroup: {own['type']}, {own['processes']}")
        expect({"cpu", "memory", "pids"} <= set(own["offered"]) == set(own["enabled"]), f"{own['offered']} {own['enabled']}")
        not_held = [c for c in node["conditions"] if c["holds"] is not True]
        expect(len(node["conditions"]) >= 5 and not not_held, f"{node['conditions']}")
        names = {path: sorted(p["name"] for p in cgroup["processes"]) for path, cgroup in below.items()}
        expect(names["/init.scope"] == ["systemd"] and below["/init.scope"]["processes"][0]["pid_inside"] == 1, f"{names['/init.scope']}")
        expect(names["/kubelet.slice/kubelet.service"] == ["kubelet"], f"{names}")
        expect(names["/system.slice/containerd.service"] == ["containerd", *["containerd-shim"] * len(PODS)], f"{names['/system.slice/containerd.service']}")
        expect(names["/kubelet"] == [] and below["/kubelet"]["type"] == "domain", "/kubelet is not empty")
        self.path = node["cgroup"]
        for command, words in {"inspect": (NODE, "ok (5/5)", "default/nginx"),
                               "inspect --cgroups": (NODE, "init.scope", "kubelet.service", "containerd.service", "pod default/nginx")}.items():
            text = self.subject.call(command).out
            missing = [word for word in words if word not in text]
            expect(not missing, f"{command}: not in the text: {missing}\n{text}")

    def agrees(self):
        """What held still between two readings is what inspect says in between."""
        before = self.read(self.path)
        _, below = self.node_of(self.json())
        after = self.read(self.path)
        expect(below.keys() == before.keys() & after.keys(), f"{below.keys() ^ (before.keys() & after.keys())}")
        wrong, compared, moved = [], 0, 0
        for path, cgroup in below.items():
            for name, value in said(cgroup).items():
                first, last = getattr(before[path], name), getattr(after[path], name)
                if name == "memory" and value != "-":
                    low, high = sorted((int(first), int(last)))
                    is_right = low - BATCH <= int(value) <= high + BATCH
                elif first != last:
                    moved += 1
                    continue
                else:
                    is_right = value == first
                compared += 1
                if not is_right:
                    wrong.append(f"{path or '/'}: {name} is {value!r}, the files say {first!r}, {last!r}")
            wrong += [f"{path}: frozen"] * (cgroup["frozen"] != (before[path].frozen == "1"))
            wrong += [f"{path}: oom_kills {cgroup['oom_kills']}"] * (cgroup["oom_kills"] != before[path].oom_kills)
        self.story.say(f"{len(below)} cgroups, {compared} values compared, {moved} moved meanwhile")
        # its own, two scopes, the slices of three pods and those above them, two containers each
        expect(len(below) >= 18 and compared >= 8 * len(below), "too little to compare")
        expect(not wrong, "\n".join(wrong))

    def named(self):
        _, below = self.node_of(self.json())
        uids = {f"{p['metadata']['namespace']}/{p['metadata']['name']}": p["metadata"]["uid"] for p in self.crictl("pods")["items"]}
        expect(uids.keys() == PODS.keys(), f"{uids}")
        for pod, container in PODS.items():
            slices = [path for path in below if path.endswith(f"pod{uids[pod].replace('-', '_')}.slice")]
            expect(len(slices) == 1 and below[slices[0]].get("label") == f"pod {pod}", f"{slices}: {[below[s].get('label') for s in slices]}")
            labels = sorted(cgroup.get("label", "") for path, cgroup in below.items() if path.startswith(f"{slices[0]}/"))
            expect(labels == [f"container {container} of {pod}", f"pod {pod}"], f"{labels}")
        shims = re.findall(r"containerd-shim-runc-v2 .*\[pod (.*)\]", self.subject.call("inspect --processes").out)
        expect(sorted(shims) == sorted(PODS), f"{shims}")

    def crictl(self, what):
        return json.loads(self.machine.must(f"{WRAPPER}podman exec {NODE} crictl {what} -o json").out)

    def users(self):
        document = self.json()
        _, below = self.node_of(document)
        ours = [(u["inside"], u["outside"]) for u in document["users"] if u["node"] == NODE]
        expect(ours[:2] == [(0, 1000), (1, 100000)], f"{document['users']}")
        seen = {p["pid"]: p for cgroup in below.values() for p in cgroup["processes"]}
        nginx = {p["command"][0].split(" process")[0]: (p["uid"], p["uid_inside"]) for p in seen.values() if p["name"] == "nginx"}
        expect(nginx == {"nginx: master": (1000, 0), "nginx: worker": (100100, 101)}, f"{nginx}")
        for view, uid, where in [("ps", "uid", ""), ("ps", "uid_inside", f"{WRAPPER}podman exec {NODE} ")]:
            lines = self.machine.must(f"{where}{view} -C nginx -o uid=,args=").out.split("\n")
            theirs = sorted((line.split()[2], int(line.split()[0])) for line in lines if line)
            own = sorted((p["command"][0].split()[1], p[uid]) for p in seen.values() if p["name"] == "nginx")
            expect(own == theirs, f"inspect: {own}, ps: {theirs}")
        # every process of the node, outside
        outside = {int(pid): int(uid) for pid, uid in (line.split() for line in self.machine.must("ps -eo pid=,uid=").out.splitlines())}
        wrong = [p for p in seen.values() if outside.get(p["pid"], p["uid"]) != p["uid"]]
        expect(not wrong and len(outside.keys() & seen.keys()) >= 12, f"{wrong}")

    def limits(self):
        _, below = self.node_of(self.json())
        limited = [c for path, c in below.items() if c.get("label") == "pod default/limited" and path.endswith(".slice")]
        expect(len(limited) == 1 and limited[0]["memory"]["max"] == 64 << 20, f"{limited}")
        expect((limited[0]["cpu"]["quota_usec"], limited[0]["cpu"]["period_usec"]) == (20000, 100000), f"{limited[0]['cpu']}")

    @contextlib.contextmanager
    def another_podman(self, body):
        """A podman that is found before the real one."""
        self.machine.root(f"printf '#!/bin/sh\\n{body}\\n' > /usr/local/bin/podman && chmod 755 /usr/local/bin/podman")
        try:
            yield
        finally:
            self.machine.root("rm /usr/local/bin/podman")

    def hanging(self):
        with self.another_podman("exec sleep 987654"):
            document = self.json(code=4)
        self.story.say(f"it took {self.seconds:.1f} s; it says: {'; '.join(document['silent'])}")
        expect(self.seconds < 30, f"{self.seconds:.1f} s")
        expect(any("did not answer" in text for text in document["silent"]) and document["nodes"] == [], f"{document['silent']}")
        found = [path for path in flat(document["tree"]) if path.endswith(f"{self.id}/system.slice/containerd.service")]
        expect(len(found) == 1, "the node's cgroups are missing")
        left = self.machine.run("pgrep -fx 'sleep 987654'").out.split()
        expect(not left, f"what hung still runs: {left}")

    def thousand(self):
        make = 'own=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup); cd "$own" && mkdir many && seq 0 999 | sed s,^,many/x, | xargs mkdir || exit 1'
        look = "TIMEFORMAT='%R'; time kind-wsl inspect --json"
        cat = "TIMEFORMAT='%R'; time (find many -name cgroup.procs -exec cat {} + | wc -l)"
        whole = self.timed(f"{make}; {look}; {cat}; rmdir many/x* many")
        with self.another_podman("exit 1"):
            tree = self.timed(f"{make}; {look}; rmdir many/x* many")
        self.story.say(f"inspect --json with 1,000 cgroups more: {whole[0]} s; {tree[0]} s where podman and crictl need not be waited for; cat of one file of each: {whole[1]} s")
        left = self.machine.run("find /sys/fs/cgroup -name many").out
        expect(not left, f"left: {left}")

    def scope(self, script):
        """A script in a scope that may make cgroups."""
        result = self.machine.exec(["/usr/bin/systemd-run", *WRAPPER.split()[1:], "/bin/bash", "-c", script])
        expect(result.code == 0, f"exit {result.code}: {result.text[-1000:]}")
        return result

    def timed(self, script):
        """The seconds that the parts of a script took in a scope that may make cgroups; its inspect has to see all of them."""
        result = self.scope(script)
        document, _ = json.JSONDecoder().raw_decode(result.out)
        count = sum(1 for path in flat(document["tree"]) if re.search(r"/many/x\d+$", path))
        expect(count == 1000, f"{count} of 1,000 cgroups were seen")
        return re.findall(r"^[0-9]+\.[0-9]+$", result.err, re.MULTILINE)

    def doctor(self):
        result = self.machine.run("kind-wsl doctor --json", timeout=300)
        expect(result.code in (0, 4), f"doctor ended with {result.code}:\n{result.text[-1500:]}")
        found = {c["id"]: (c["verdict"], c["evidence"]) for c in json.loads(result.out)["checks"] if c["id"] in ("clusters", "node")}
        self.story.say("\n".join(f"{name}: {verdict}, {evidence[:200]}" for name, (verdict, evidence) in found.items()))
        expect(found.keys() == {"clusters", "node"} and all(verdict == "ok" for verdict, _ in found.values()), f"{found}")

    def paused(self):
        try:
            self.machine.must(f"podman pause {NODE}")
            document = self.json()
            node, below = self.node_of(document)
            expect(node["state"] == "paused" and not document["silent"], f"{node['state']}, {document['silent']}")
            thawed = [path for path, cgroup in below.items() if not cgroup["frozen"]]
            expect(not thawed, f"not frozen: {thawed}")
            text = self.subject.call("inspect").out
            expect(text.count("frozen: nothing in it runs until it is thawed") == 1, text)
        finally:
            self.machine.run(f"podman unpause {NODE}")
        expect(not self.node_of(self.json())[1][""]["frozen"], "still frozen")

    def stopped(self):
        self.machine.must(f"podman stop -t 20 {NODE}")
        result = self.machine.run("kind-wsl inspect --json")
        expect(result.code in (0, 4), f"exit {result.code}: {result.text[-1500:]}")
        node = next(n for n in json.loads(result.out)["nodes"] if n["name"] == NODE)
        self.story.say(f"stopped: state {node['state']}, exit {result.code}")
        expect(node["state"] in ("exited", "stopped") and not node.get("cgroup") and node["conditions"] == [], f"{node}")
        text = self.machine.run("kind-wsl inspect").out
        expect("no processes and no cgroup" in text, text)
        begin = time.time()
        self.machine.must(f"{WRAPPER}podman start {NODE}")
        pods = self.machine.run(f"for i in $(seq 120); do [ $({WRAPPER}podman exec {NODE} crictl ps -q 2>/dev/null | wc -l) = {len(PODS)} ] && break; sleep 1; done")
        _, below = self.node_of(self.json())
        labels = {cgroup.get("label") for cgroup in below.values()}
        expect({f"container {c} of {pod}" for pod, c in PODS.items()} <= labels, f"{labels}\n{pods.text[-500:]}")
        self.story.say(f"started again with its pods in {time.time() - begin:.0f} s")

    # -- after it was deleted

    def deleted(self):
        with self.story.check("no cgroup of the node is left, and inspect reports no cluster"):
            left = self.machine.run(f"find /sys/fs/cgroup -name '*{self.id}*'").out
            expect(not left, f"left: {left}")
            expect("podman has no cluster" in self.subject.call("inspect").out, "inspect still shows one")
