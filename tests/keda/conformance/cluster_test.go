package conformance

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	"github.com/kedacore/keda/v2/pkg/scalers/authentication"
	"github.com/kedacore/keda/v2/pkg/scaling"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/scale"
	"k8s.io/client-go/tools/events"
	kube "sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

const namespace = "builds"

// underway is how long a number takes from Azure's answer to KEDA creating Kubernetes Jobs, on a machine that has much to do.
const underway = 300 * time.Millisecond

// A kind is a ScaledJob and what its agents offer.
type kind struct {
	name         string
	capabilities map[string]string
	maximum      int32
	trigger      kedav1alpha1.ScaleTriggers
	environment  []corev1.EnvVar
}

// Delays say how long a pod and its agent take.
type delays struct {
	// start is from the Kubernetes Job to its pod running, register from there to the agent being registered, linger from
	// the end of its job to the agent being gone, end from there to the Kubernetes Job being finished.
	start, register, linger, end time.Duration
}

var usual = delays{start: 2 * time.Second, register: time.Second, linger: 200 * time.Millisecond, end: 200 * time.Millisecond}

// A cluster is KEDA's own scale loop, external client, built-in scaler and executor over a fake API server, and a kubelet.
type cluster struct {
	t       testing.TB
	kube    kube.Client
	scheme  *runtime.Scheme
	handler scaling.ScaleHandler
	// scales is for ScaledObjects alone.
	scales scale.ScalesGetter
	azure  *organization
	pool   string
	delays delays

	context context.Context
	stop    context.CancelFunc
	pods    sync.WaitGroup

	lock   sync.Mutex
	kinds  map[string]kind
	broken map[string]bool
	said   []string
	// created counts Kubernetes Jobs, alive those that are not finished.
	created, alive, peak int
	// late counts the Kubernetes Jobs that were created just after others had ended: each may stand for one of those in a
	// number from before.
	late, failed int
	// ended says when Kubernetes Jobs ended that no later one stands for.
	ended []time.Time
}

func newCluster(t testing.TB, azure *organization, pool string, delays delays) *cluster {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, kedav1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	c := &cluster{
		t: t, scheme: scheme, azure: azure, pool: pool, delays: delays, context: ctx, stop: stop,
		kinds: map[string]kind{}, broken: map[string]bool{},
	}
	c.kube = fake.NewClientBuilder().
		WithScheme(scheme).
		WithStatusSubresource(&kedav1alpha1.ScaledJob{}, &kedav1alpha1.ScaledObject{}, &batchv1.Job{}, &corev1.Pod{}).
		WithInterceptorFuncs(interceptor.Funcs{Create: c.create}).
		Build()
	c.handler = c.newHandler()
	t.Cleanup(func() {
		stop()
		c.pods.Wait()
		if t.Failed() {
			t.Logf("events:\n%s", strings.Join(c.events(), "\n"))
		}
	})
	return c
}

func (c *cluster) newHandler() scaling.ScaleHandler {
	recorder := events.NewFakeRecorder(100)
	go func() {
		for {
			select {
			case event := <-recorder.Events:
				c.lock.Lock()
				c.said = append(c.said, event)
				c.lock.Unlock()
			case <-c.context.Done():
				return
			}
		}
	}()
	return scaling.NewScaleHandler(c.kube, c.scales, c.scheme, 3*time.Second, 3*time.Second, recorder, &authentication.AuthClientSet{})
}

// events are those that KEDA has recorded.
func (c *cluster) events() []string {
	c.lock.Lock()
	defer c.lock.Unlock()
	return append([]string{}, c.said...)
}

// create is what the API server does: it starts the kubelet's work on a Kubernetes Job.
func (c *cluster) create(ctx context.Context, to kube.WithWatch, object kube.Object, options ...kube.CreateOption) error {
	if err := to.Create(ctx, object, options...); err != nil {
		return err
	}
	if job, isJob := object.(*batchv1.Job); isJob {
		c.lock.Lock()
		c.created++
		c.alive++
		c.peak = max(c.peak, c.alive)
		c.ended = slices.DeleteFunc(c.ended, func(at time.Time) bool { return time.Since(at) > *freshFor+underway })
		if len(c.ended) > 0 {
			c.late++
			c.ended = c.ended[1:]
		}
		c.lock.Unlock()
		c.pods.Add(1)
		go c.run(job.DeepCopy())
	}
	return nil
}

// apply creates ScaledJobs and lets KEDA see them, polled every second.
func (c *cluster) apply(kinds ...kind) {
	c.t.Helper()
	for _, applied := range kinds {
		c.lock.Lock()
		c.kinds[applied.name] = applied
		c.lock.Unlock()
		interval := int32(1)
		container := corev1.Container{Name: "agent", Image: "agent", Env: applied.environment}
		scaledJob := &kedav1alpha1.ScaledJob{
			ObjectMeta: metav1.ObjectMeta{Name: applied.name, Namespace: namespace},
			Spec: kedav1alpha1.ScaledJobSpec{
				PollingInterval: &interval,
				MaxReplicaCount: &applied.maximum,
				JobTargetRef: &batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
					RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{container},
				}}},
				Triggers: []kedav1alpha1.ScaleTriggers{applied.trigger},
			},
		}
		if err := c.kube.Create(c.context, scaledJob); err != nil {
			c.t.Fatal(err)
		}
		if err := c.handler.HandleScalableObject(c.context, scaledJob); err != nil {
			c.t.Fatal(err)
		}
	}
}

// restartKEDA lets a new scale handler take over.
func (c *cluster) restartKEDA() {
	c.t.Helper()
	var all kedav1alpha1.ScaledJobList
	if err := c.kube.List(c.context, &all); err != nil {
		c.t.Fatal(err)
	}
	before := c.handler
	c.handler = c.newHandler()
	for place := range all.Items {
		if err := before.DeleteScalableObject(c.context, &all.Items[place]); err != nil {
			c.t.Fatal(err)
		}
		if err := c.handler.HandleScalableObject(c.context, &all.Items[place]); err != nil {
			c.t.Fatal(err)
		}
	}
}

// condition is a ScaledJob's condition of that type: its status and its reason.
func (c *cluster) condition(name, of string) (metav1.ConditionStatus, string) {
	c.t.Helper()
	var scaledJob kedav1alpha1.ScaledJob
	if err := c.kube.Get(c.context, kube.ObjectKey{Namespace: namespace, Name: name}, &scaledJob); err != nil {
		c.t.Fatal(err)
	}
	for _, condition := range scaledJob.Status.Conditions {
		if string(condition.Type) == of {
			return condition.Status, condition.Reason
		}
	}
	return metav1.ConditionUnknown, ""
}

// breakImage lets pods of a ScaledJob fail at once, or no more.
func (c *cluster) breakImage(name string, broken bool) {
	c.lock.Lock()
	defer c.lock.Unlock()
	c.broken[name] = broken
}

// jobs says how many Kubernetes Jobs KEDA has created, and how many there were at once.
func (c *cluster) jobs() (created, peak int) {
	c.lock.Lock()
	defer c.lock.Unlock()
	return c.created, c.peak
}

// excused says how many Kubernetes Jobs were created just after others had ended, and how many have failed.
func (c *cluster) excused() (late, failed int) {
	c.lock.Lock()
	defer c.lock.Unlock()
	return c.late, c.failed
}

// pause waits, and says whether the cluster goes on.
func (c *cluster) pause(time_ time.Duration) bool {
	select {
	case <-time.After(time_):
		return true
	case <-c.context.Done():
		return false
	}
}

// run is the life of a Kubernetes Job: its pod starts, its agent registers, runs its job and leaves.
func (c *cluster) run(job *batchv1.Job) {
	defer c.pods.Done()
	failed, err := c.live(job)
	if c.context.Err() != nil {
		return
	}
	if err != nil {
		c.t.Errorf("the pod of %s: %v", job.Name, err)
	}
	c.lock.Lock()
	c.alive--
	c.ended = append(c.ended, time.Now())
	c.lock.Unlock()
	if err := c.finish(job, failed); err != nil && c.context.Err() == nil {
		c.t.Errorf("the Kubernetes Job %s can't end: %v", job.Name, err)
	}
}

func (c *cluster) live(job *batchv1.Job) (failed bool, err error) {
	name := job.Labels["scaledjob.keda.sh/name"]
	labels := map[string]string{"job-name": job.Name}
	maps.Copy(labels, job.Spec.Template.Labels)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: job.Name + "-pod", Namespace: job.Namespace, Labels: labels},
		Spec:       job.Spec.Template.Spec,
		Status:     corev1.PodStatus{Phase: corev1.PodPending},
	}
	if err := c.kube.Create(c.context, pod); err != nil {
		return false, err
	}
	if !c.pause(c.delays.start) {
		return false, nil
	}
	c.lock.Lock()
	of, broken := c.kinds[name], c.broken[name]
	c.lock.Unlock()
	if broken {
		c.lock.Lock()
		c.failed++
		c.lock.Unlock()
		return true, c.phase(pod, corev1.PodFailed)
	}
	if err := c.phase(pod, corev1.PodRunning); err != nil {
		return false, err
	}
	if !c.pause(c.delays.register) {
		return false, nil
	}
	registering := agent{
		Pool: c.pool, Name: pod.Name, Capabilities: of.capabilities, Ephemeral: true, LingerMs: c.delays.linger.Milliseconds(),
	}
	if err := c.azure.register(registering); err != nil {
		return false, err
	}
	for gone := false; !gone; {
		if gone, err = c.azure.gone(c.pool, pod.Name); err != nil || c.context.Err() != nil {
			return false, err
		}
	}
	if !c.pause(c.delays.end) {
		return false, nil
	}
	return false, c.phase(pod, corev1.PodSucceeded)
}

func (c *cluster) phase(pod *corev1.Pod, phase corev1.PodPhase) error {
	pod.Status.Phase = phase
	return c.kube.Status().Update(c.context, pod)
}

func (c *cluster) finish(job *batchv1.Job, failed bool) error {
	var latest batchv1.Job
	if err := c.kube.Get(c.context, kube.ObjectKeyFromObject(job), &latest); err != nil {
		return err
	}
	ended := batchv1.JobComplete
	if failed {
		ended = batchv1.JobFailed
	}
	latest.Status.Conditions = []batchv1.JobCondition{{Type: ended, Status: corev1.ConditionTrue, Reason: "Ended"}}
	now := metav1.Now()
	latest.Status.CompletionTime = &now
	return c.kube.Status().Update(c.context, &latest)
}

// external is a trigger of this scaler.
func external(address, pool, capabilities string, maximum int32, more ...string) kedav1alpha1.ScaleTriggers {
	metadata := map[string]string{
		"scalerAddress": address, "poolName": pool, "capabilities": capabilities, "maxReplicaCount": fmt.Sprint(maximum),
	}
	for place := 0; place+1 < len(more); place += 2 {
		metadata[more[place]] = more[place+1]
	}
	return kedav1alpha1.ScaleTriggers{Type: "external", Metadata: metadata}
}
