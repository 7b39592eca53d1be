// What programs written with client-go do: typed clients (protobuf on the wire), the dynamic client, an informer, a
// RetryWatcher. One line on stdout for each step that went well; the first that does
// not ends the program with 1 and says why.
//
//	client-go KUBECONFIG NAMESPACE
package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	watchtools "k8s.io/client-go/tools/watch"
	"k8s.io/client-go/util/retry"
)

const patience = 30 * time.Second

var persistent = wait.Backoff{Steps: 100, Duration: time.Millisecond, Factor: 1.1, Jitter: 0.5, Cap: time.Second}

var upstreams = schema.GroupVersionResource{Group: "gloo.solo.io", Version: "v1", Resource: "upstreams"}

type program struct {
	ctx       context.Context
	namespace string
	typed     kubernetes.Interface
	dynamic   dynamic.Interface
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	config, err := clientcmd.BuildConfigFromFlags("", os.Args[1])
	check("reading the kubeconfig", err)
	protobuf := rest.CopyConfig(config)
	protobuf.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	protobuf.ContentType = "application/vnd.kubernetes.protobuf"
	p := program{ctx: ctx, namespace: os.Args[2]}
	p.typed, err = kubernetes.NewForConfig(protobuf)
	check("making the typed client", err)
	p.dynamic, err = dynamic.NewForConfig(config)
	check("making the dynamic client", err)

	steps := []struct {
		name string
		run  func() error
	}{
		{"namespaces", p.namespaces},
		{"typed secrets", p.secrets},
		{"typed config maps", p.configMaps},
		{"deletion with preconditions", p.preconditions},
		{"deletion of collections", p.collections},
		{"dynamic custom resources", p.customResources},
		{"server-side apply is refused", p.apply},
		{"informer", p.informer},
		{"watch from an old version", p.oldWatch},
		{"RetryWatcher", p.retryWatcher},
	}
	for _, step := range steps {
		check(step.name, step.run())
		fmt.Println("ok", step.name)
	}
}

func check(what string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
		os.Exit(1)
	}
}

func expect(holds bool, format string, args ...any) error {
	if holds {
		return nil
	}
	return fmt.Errorf(format, args...)
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func named(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Labels: map[string]string{"made-by": "client-go"}}
}

func (p *program) namespaces() error {
	_, err := p.typed.CoreV1().Namespaces().Create(p.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: p.namespace}}, metav1.CreateOptions{})
	if err := expect(apierrors.IsAlreadyExists(err), "creating one that is there: %v", err); err != nil {
		return err
	}
	found, err := p.typed.CoreV1().Namespaces().Get(p.ctx, p.namespace, metav1.GetOptions{})
	if err != nil {
		return err
	}
	return expect(found.Status.Phase == corev1.NamespaceActive, "its phase is %q", found.Status.Phase)
}

func (p *program) secrets() error {
	secrets := p.typed.CoreV1().Secrets(p.namespace)
	// As helm's: without kind, with a type of its own.
	_, err := secrets.Create(p.ctx, &corev1.Secret{ObjectMeta: named("go"), Type: "helm.sh/release.v1", Data: map[string][]byte{"release": {0, 1, 255}}}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	_, err = secrets.Create(p.ctx, &corev1.Secret{ObjectMeta: named("go")}, metav1.CreateOptions{})
	if err := expect(apierrors.IsAlreadyExists(err), "a second time: %v", err); err != nil {
		return err
	}
	found, err := secrets.Get(p.ctx, "go", metav1.GetOptions{})
	if err != nil {
		return err
	}
	if err := expect(string(found.Data["release"]) == "\x00\x01\xff", "its data is %v", found.Data); err != nil {
		return err
	}
	found.Labels["status"] = "superseded"
	if _, err := secrets.Update(p.ctx, found, metav1.UpdateOptions{}); err != nil {
		return err
	}
	_, err = secrets.Update(p.ctx, func() *corev1.Secret { found.Labels["status"] = "late"; return found }(), metav1.UpdateOptions{})
	if err := expect(apierrors.IsConflict(err), "an update of an old version: %v", err); err != nil {
		return err
	}
	list, err := secrets.List(p.ctx, metav1.ListOptions{LabelSelector: "status=superseded"})
	if err := first(err, expect(len(list.Items) == 1, "the selector finds %d", len(list.Items))); err != nil {
		return err
	}
	if err := secrets.Delete(p.ctx, "go", metav1.DeleteOptions{}); err != nil {
		return err
	}
	_, err = secrets.Get(p.ctx, "go", metav1.GetOptions{})
	return expect(apierrors.IsNotFound(err), "it is still there: %v", err)
}

func (p *program) configMaps() error {
	maps := p.typed.CoreV1().ConfigMaps(p.namespace)
	_, err := maps.Create(p.ctx, &corev1.ConfigMap{ObjectMeta: named("go"), Data: map[string]string{"n": "0"}, BinaryData: map[string][]byte{"b": {255}}}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	var group sync.WaitGroup
	failures := make(chan error, 8)
	for range 4 {
		group.Go(func() {
			failures <- retry.RetryOnConflict(persistent, func() error {
				found, err := maps.Get(p.ctx, "go", metav1.GetOptions{})
				if err != nil {
					return err
				}
				found.Data["n"] += "+"
				_, err = maps.Update(p.ctx, found, metav1.UpdateOptions{})
				return err
			})
		})
	}
	group.Wait()
	for range 4 {
		if err := <-failures; err != nil {
			return err
		}
	}
	for _, patch := range []struct {
		kind types.PatchType
		text string
	}{{types.StrategicMergePatchType, `{"data":{"s":"1"}}`}, {types.MergePatchType, `{"data":{"m":"1"}}`}, {types.JSONPatchType, `[{"op":"add","path":"/data/j","value":"1"}]`}} {
		if _, err := maps.Patch(p.ctx, "go", patch.kind, []byte(patch.text), metav1.PatchOptions{FieldManager: "go"}); err != nil {
			return fmt.Errorf("%s: %w", patch.kind, err)
		}
	}
	found, err := maps.Get(p.ctx, "go", metav1.GetOptions{})
	if err := first(err, expect(found.Data["n"] == "0++++" && len(found.Data) == 4, "data is %v", found.Data)); err != nil {
		return err
	}
	background := metav1.DeletePropagationBackground
	return maps.Delete(p.ctx, "go", metav1.DeleteOptions{PropagationPolicy: &background, DryRun: nil})
}

func (p *program) preconditions() error {
	maps := p.typed.CoreV1().ConfigMaps(p.namespace)
	made, err := maps.Create(p.ctx, &corev1.ConfigMap{ObjectMeta: named("go")}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	other := types.UID("other")
	err = maps.Delete(p.ctx, "go", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &other}})
	if err := expect(apierrors.IsConflict(err), "another uid: %v", err); err != nil {
		return err
	}
	if err := maps.Delete(p.ctx, "go", metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}}); err != nil {
		return err
	}
	return maps.Delete(p.ctx, "go", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &made.UID, ResourceVersion: &made.ResourceVersion}})
}

func (p *program) collections() error {
	maps := p.typed.CoreV1().ConfigMaps(p.namespace)
	for _, name := range []string{"go-a", "go-b"} {
		if _, err := maps.Create(p.ctx, &corev1.ConfigMap{ObjectMeta: named(name)}, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	if err := maps.DeleteCollection(p.ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "made-by=client-go"}); err != nil {
		return err
	}
	list, err := maps.List(p.ctx, metav1.ListOptions{LabelSelector: "made-by=client-go"})
	return first(err, expect(len(list.Items) == 0, "%d are left", len(list.Items)))
}

func upstream(name string, port int64) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "gloo.solo.io/v1", "kind": "Upstream", "metadata": map[string]any{"name": name},
		"spec": map[string]any{"static": map[string]any{"hosts": []any{map[string]any{"addr": "127.0.0.1", "port": port}}}}}}
}

func (p *program) customResources() error {
	client := p.dynamic.Resource(upstreams).Namespace(p.namespace)
	made, err := client.Create(p.ctx, upstream("go", 1), metav1.CreateOptions{FieldValidation: "Strict"})
	if err != nil {
		return err
	}
	made.SetAnnotations(map[string]string{"a": "b"})
	if _, err := client.Update(p.ctx, made, metav1.UpdateOptions{}); err != nil {
		// The status of the first version may have been written meanwhile.
		if err := expect(apierrors.IsConflict(err), "update: %v", err); err != nil {
			return err
		}
	}
	if _, err := client.Patch(p.ctx, "go", types.MergePatchType, []byte(`{"metadata":{"labels":{"x":"y"}}}`), metav1.PatchOptions{}); err != nil {
		return err
	}
	bad := upstream("bad", 70000)
	_, err = client.Create(p.ctx, bad, metav1.CreateOptions{})
	if err := expect(apierrors.IsInvalid(err), "a bad one: %v", err); err != nil {
		return err
	}
	return client.Delete(p.ctx, "go", metav1.DeleteOptions{})
}

func (p *program) apply() error {
	client := p.dynamic.Resource(upstreams).Namespace(p.namespace)
	_, err := client.Apply(p.ctx, "nobody", upstream("nobody", 1), metav1.ApplyOptions{FieldManager: "go"})
	return expect(apierrors.IsUnsupportedMediaType(err), "%v", err)
}

func (p *program) informer() error {
	source := cache.NewListWatchFromClient(p.typed.CoreV1().RESTClient(), "configmaps", p.namespace, fields.Everything())
	seen := make(chan string, 100)
	store, controller := cache.NewInformerWithOptions(cache.InformerOptions{ListerWatcher: source, ObjectType: &corev1.ConfigMap{}, Handler: cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { seen <- "added " + o.(*corev1.ConfigMap).Name },
		UpdateFunc: func(_, o any) { seen <- "changed " + o.(*corev1.ConfigMap).Name },
		DeleteFunc: func(o any) { seen <- "deleted " + o.(*corev1.ConfigMap).Name },
	}})
	stop := make(chan struct{})
	defer close(stop)
	go controller.Run(stop)
	if !cache.WaitForCacheSync(p.ctx.Done(), controller.HasSynced) {
		return fmt.Errorf("it does not synchronise")
	}
	maps := p.typed.CoreV1().ConfigMaps(p.namespace)
	made, err := maps.Create(p.ctx, &corev1.ConfigMap{ObjectMeta: named("informed")}, metav1.CreateOptions{})
	if err := first(err, awaited(seen, "added informed")); err != nil {
		return err
	}
	made.Data = map[string]string{"a": "b"}
	_, err = maps.Update(p.ctx, made, metav1.UpdateOptions{})
	if err := first(err, awaited(seen, "changed informed")); err != nil {
		return err
	}
	if err := first(maps.Delete(p.ctx, "informed", metav1.DeleteOptions{}), awaited(seen, "deleted informed")); err != nil {
		return err
	}
	return expect(len(store.ListKeys()) == 0, "the store still has %v", store.ListKeys())
}

func awaited(seen <-chan string, wanted string) error {
	late := time.After(patience)
	for {
		select {
		case event := <-seen:
			if event == wanted {
				return nil
			}
		case <-late:
			return fmt.Errorf("%q never came", wanted)
		}
	}
}

func (p *program) oldWatch() error {
	stream, err := p.typed.CoreV1().ConfigMaps(p.namespace).Watch(p.ctx, metav1.ListOptions{ResourceVersion: "1"})
	if err != nil {
		return fmt.Errorf("it must not fail as a whole: %w", err)
	}
	defer stream.Stop()
	event, open := <-stream.ResultChan()
	if err := expect(open && event.Type == watch.Error, "the first event is %v", event.Type); err != nil {
		return err
	}
	failure := apierrors.FromObject(event.Object)
	return expect(apierrors.IsResourceExpired(failure) || apierrors.IsGone(failure), "%v", failure)
}

// Ends by itself when its version is too old; it hangs where the server says so in another way.
func (p *program) retryWatcher() error {
	maps := p.typed.CoreV1().ConfigMaps(p.namespace)
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return maps.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return maps.Watch(ctx, options)
		}}
	old, err := watchtools.NewRetryWatcherWithContext(p.ctx, "1", source)
	if err != nil {
		return err
	}
	select {
	case event := <-old.ResultChan():
		if err := expect(event.Type == watch.Error, "it gives %v", event); err != nil {
			return err
		}
	case <-time.After(patience):
		return fmt.Errorf("it hangs")
	}
	list, err := maps.List(p.ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	fresh, err := watchtools.NewRetryWatcherWithContext(p.ctx, list.ResourceVersion, source)
	if err != nil {
		return err
	}
	defer fresh.Stop()
	if _, err := maps.Create(p.ctx, &corev1.ConfigMap{ObjectMeta: named("watched")}, metav1.CreateOptions{}); err != nil {
		return err
	}
	event := <-fresh.ResultChan()
	if err := expect(event.Type == watch.Added, "it gives %v", event); err != nil {
		return err
	}
	return maps.Delete(p.ctx, "watched", metav1.DeleteOptions{})
}
