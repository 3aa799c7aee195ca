"""pod-image.py ROOT OUT.tar: the folder ROOT as an image of one layer, in OCI's layout, which `ctr images import` reads."""
import hashlib
import io
import json
import sys
import tarfile
from pathlib import Path

NAME = "localhost/pod:stand-in"


def main(root, out):
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for path in sorted(Path(root).rglob("*")):
            member = tar.gettarinfo(path, str(path.relative_to(root)))
            member.uid, member.gid, member.uname, member.gname, member.mtime = 0, 0, "", "", 0
            tar.addfile(member, path.open("rb") if member.isreg() else None)
    blobs = {}

    def blob(data, kind):
        digest = hashlib.sha256(data).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = data
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(data)}

    def document(value, kind):
        return blob(json.dumps(value).encode(), kind)

    content = blob(layer.getvalue(), "layer.v1.tar")
    config = document({"architecture": "amd64", "os": "linux", "config": {"Entrypoint": ["/pause"], "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]},
                       "rootfs": {"type": "layers", "diff_ids": [content["digest"]]}}, "config.v1+json")
    manifest = document({"schemaVersion": 2, "config": config, "layers": [content]}, "manifest.v1+json")
    manifest["annotations"] = {"io.containerd.image.name": NAME, "org.opencontainers.image.ref.name": "stand-in"}
    blobs["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [manifest]}).encode()
    blobs["oci-layout"] = b'{"imageLayoutVersion":"1.0.0"}'
    with tarfile.open(out, "w") as tar:
        for name, data in blobs.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


main(*sys.argv[1:])
