"""What programs written with the Python client of Kubernetes do: `python_client.py KUBECONFIG NAMESPACE`.

One line on stdout for each step that went well; the first that does not ends it with its exception.
"""

import base64
import sys
import threading

from kubernetes import client, config, watch
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient

UPSTREAM = ("gloo.solo.io", "v1", "upstreams")


def refused(status, call, *arguments, **keywords):
    """The call must fail with that status."""
    try:
        call(*arguments, **keywords)
    except ApiException as error:
        assert error.status == status, error
        return
    raise AssertionError(f"{call} did not fail")


def upstream(name, port):
    return {"apiVersion": "gloo.solo.io/v1", "kind": "Upstream", "metadata": {"name": name},
            "spec": {"static": {"hosts": [{"addr": "127.0.0.1", "port": port}]}}}


class Steps:
    def __init__(self, kubeconfig, namespace):
        config.load_kube_config(kubeconfig)
        self.namespace = namespace
        self.core = client.CoreV1Api()
        self.custom = client.CustomObjectsApi()

    def version_and_discovery(self):
        assert client.VersionApi().get_code().major == "1"
        names = {resource.name for resource in self.core.get_api_resources().resources}
        assert {"secrets", "configmaps", "namespaces"} <= names, names

    def namespaces(self):
        assert self.namespace in [item.metadata.name for item in self.core.list_namespace().items]
        refused(409, self.core.create_namespace, client.V1Namespace(metadata=client.V1ObjectMeta(name=self.namespace)))

    def config_maps_without_kind(self):
        body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="python"), data={"a": "1"})
        self.core.create_namespaced_config_map(self.namespace, body)
        refused(409, self.core.create_namespaced_config_map, self.namespace, body)
        body.data = {"a": "2"}
        self.core.replace_namespaced_config_map("python", self.namespace, body)
        self.core.patch_namespaced_config_map("python", self.namespace, {"data": {"b": "3"}})
        self.core.patch_namespaced_config_map("python", self.namespace, [{"op": "remove", "path": "/data/a"}])
        assert self.core.read_namespaced_config_map("python", self.namespace).data == {"b": "3"}
        self.core.delete_namespaced_config_map("python", self.namespace, body=client.V1DeleteOptions(propagation_policy="Foreground"))
        refused(404, self.core.read_namespaced_config_map, "python", self.namespace)

    def secrets_without_kind(self):
        body = client.V1Secret(metadata=client.V1ObjectMeta(generate_name="python-", labels={"by": "python"}), string_data={"k": "v"})
        made = self.core.create_namespaced_secret(self.namespace, body)
        assert base64.b64decode(made.data["k"]) == b"v" and made.type == "Opaque", made
        assert len(self.core.list_namespaced_secret(self.namespace, label_selector="by=python").items) == 1
        self.core.delete_collection_namespaced_secret(self.namespace, label_selector="by=python")
        refused(404, self.core.read_namespaced_secret, made.metadata.name, self.namespace)

    def custom_objects(self):
        at = (*UPSTREAM[:2], self.namespace, UPSTREAM[2])
        self.custom.create_namespaced_custom_object(*at, upstream("python", 1))
        refused(422, self.custom.create_namespaced_custom_object, *at, upstream("bad", 70000))
        refused(400, self.custom.create_namespaced_custom_object, *at, {"metadata": {"name": "untyped"}})
        # The type that it takes for a dict: a merge patch.
        self.custom.patch_namespaced_custom_object(*at, "python", {"metadata": {"labels": {"a": "b"}}})
        found = self.custom.list_namespaced_custom_object(*at, label_selector="a=b")
        assert [item["metadata"]["name"] for item in found["items"]] == ["python"], found
        self.custom.delete_namespaced_custom_object(*at, "python")
        refused(404, self.custom.get_namespaced_custom_object, *at, "python")

    def dynamic_client(self):
        resource = DynamicClient(client.ApiClient()).resources.get(api_version="gloo.solo.io/v1", kind="Upstream")
        resource.create(body=upstream("dynamic", 1), namespace=self.namespace)
        assert resource.get(name="dynamic", namespace=self.namespace).spec.static.hosts[0].port == 1
        resource.delete(name="dynamic", namespace=self.namespace)

    def watches(self):
        version = self.core.list_namespaced_config_map(self.namespace).metadata.resource_version

        def change():
            self.core.create_namespaced_config_map(self.namespace, client.V1ConfigMap(metadata=client.V1ObjectMeta(name="watched")))
            self.core.delete_namespaced_config_map("watched", self.namespace)
        threading.Thread(target=change, daemon=True).start()
        seen = []
        for event in watch.Watch().stream(self.core.list_namespaced_config_map, self.namespace, resource_version=version, timeout_seconds=30):
            seen.append((event["type"], event["object"].metadata.name))
            if event["type"] == "DELETED":
                break
        assert seen == [("ADDED", "watched"), ("DELETED", "watched")], seen
        # From a version that is gone it begins anew by itself, when it is told so in an event.
        stream = watch.Watch()
        self.core.create_namespaced_config_map(self.namespace, client.V1ConfigMap(metadata=client.V1ObjectMeta(name="old")))
        refused(410, lambda: list(stream.stream(self.core.list_namespaced_config_map, self.namespace, resource_version="1", timeout_seconds=30)))
        self.core.delete_namespaced_config_map("old", self.namespace)


def main():
    steps = Steps(sys.argv[1], sys.argv[2])
    for step in (steps.version_and_discovery, steps.namespaces, steps.config_maps_without_kind, steps.secrets_without_kind,
                 steps.custom_objects, steps.dynamic_client, steps.watches):
        step()
        print("ok", step.__name__, flush=True)


if __name__ == "__main__":
    main()
