package conformance

import (
	"testing"
	"time"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	fakescale "k8s.io/client-go/scale/fake"
	clienttesting "k8s.io/client-go/testing"
)

// scales stands for the scale subresource of Deployments: it tells to how many replicas KEDA scales them.
func scales() (*fakescale.FakeScaleClient, <-chan int32) {
	scaled := make(chan int32, 16)
	subresource := &fakescale.FakeScaleClient{}
	subresource.AddReactor("get", "deployments", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, &autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{Name: "workers", Namespace: namespace}}, nil
	})
	subresource.AddReactor("update", "deployments", func(action clienttesting.Action) (bool, runtime.Object, error) {
		scale := action.(clienttesting.UpdateAction).GetObject().(*autoscalingv1.Scale)
		scaled <- scale.Spec.Replicas
		return true, scale, nil
	})
	return subresource, scaled
}

// pushes is a ScaledObject of a Deployment, polled so rarely that only what is pushed can scale it in time.
func pushes(trigger kedav1alpha1.ScaleTriggers) *kedav1alpha1.ScaledObject {
	rarely := int32(600)
	deployment := kedav1alpha1.GroupVersionKindResource{Group: "apps", Version: "v1", Kind: "Deployment", Resource: "deployments"}
	trigger.Type = "external-push"
	trigger.Metadata["scalingStrategy"] = "none"
	return &kedav1alpha1.ScaledObject{
		ObjectMeta: metav1.ObjectMeta{Name: "workers", Namespace: namespace},
		Spec: kedav1alpha1.ScaledObjectSpec{
			ScaleTargetRef: &kedav1alpha1.ScaleTarget{Name: "workers"}, PollingInterval: &rarely,
			Triggers: []kedav1alpha1.ScaleTriggers{trigger},
		},
		// As KEDA's controller writes it.
		Status: kedav1alpha1.ScaledObjectStatus{
			ScaleTargetGVKR: &deployment, ExternalMetricNames: []string{"s0-azure-pipelines-linux"},
		},
	}
}

func TestAScaledObjectIsPushedThroughTheScaleLoop(t *testing.T) {
	s := set(t)
	subresource, scaled := scales()
	s.cluster.scales = subresource
	s.cluster.handler = s.cluster.newHandler()
	none := int32(0)
	workers := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "workers", Namespace: namespace}, Spec: appsv1.DeploymentSpec{Replicas: &none}}
	object := pushes(external(s.scaler.grpc, "linux", "java=17", 20))
	if err := s.cluster.kube.Create(s.cluster.context, workers); err != nil {
		t.Fatal(err)
	}
	if err := s.cluster.kube.Create(s.cluster.context, object); err != nil {
		t.Fatal(err)
	}
	if err := s.cluster.handler.HandleScalableObject(s.cluster.context, object); err != nil {
		t.Fatal(err)
	}
	until(t, 15*time.Second, "KEDA has polled", func() bool {
		return asked(t, s.scaler.http, "GetMetrics") > 0
	})
	select {
	case replicas := <-scaled:
		t.Fatalf("scaled to %d though nothing waits", replicas)
	default:
	}
	queued := time.Now()
	s.azure.queue("linux", 3, time.Minute, "java")
	select {
	case replicas := <-scaled:
		if replicas != 1 {
			t.Errorf("scaled to %d, and KEDA wakes a Deployment with 1", replicas)
		}
		t.Logf("scaled from zero %.1f s after the jobs were queued", time.Since(queued).Seconds())
	case <-time.After(45 * time.Second):
		t.Fatal("KEDA does not scale the Deployment from zero")
	}
	// What the HPA is told.
	values, err := s.cluster.handler.GetScaledObjectMetrics(s.cluster.context, "workers", namespace, "s0-azure-pipelines-linux")
	if err != nil || len(values.Items) != 1 || values.Items[0].Value.Value() != 3 {
		t.Errorf("the HPA is told %v, %v instead of 3", values, err)
	}
}
