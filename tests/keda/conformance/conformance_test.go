// Package conformance tries azp-scaler on KEDA's own code: its scale loop, its external scaler's client, its built-in
// azure-pipelines scaler and its executor, over a fake API server, with a simulated organisation as Azure DevOps.
package conformance

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A setting is one organisation, one scaler and one cluster, with one ScaledJob's kind of agents.
type setting struct {
	azure   *organization
	scaler  *scaler
	cluster *cluster
}

// places bounds how many cases run at once: each has two processes and polls every second.
var places = make(chan struct{}, 40)

func place(t *testing.T) {
	t.Parallel()
	places <- struct{}{}
	t.Cleanup(func() { <-places })
}

func set(t *testing.T) setting {
	place(t)
	azure := startOrganization(t, 1, "linux")
	return setting{azure: azure, scaler: startScaler(t, azure.url), cluster: newCluster(t, azure, "linux", usual)}
}

var java = map[string]string{"java": "17"}

// has says whether an event was recorded that holds all these words.
func (c *cluster) has(words ...string) bool {
	for _, event := range c.events() {
		found := true
		for _, word := range words {
			found = found && strings.Contains(event, word)
		}
		if found {
			return true
		}
	}
	return false
}

// runs waits until so many jobs have run, each on an agent of its own.
func (s setting) runs(t *testing.T, jobs int, within time.Duration, what string) {
	t.Helper()
	until(t, within, what, func() bool { return s.azure.state().count("done") == jobs })
	if created, _ := s.cluster.jobs(); created != jobs {
		t.Errorf("%d agents for %d jobs", created, jobs)
	}
}

// saysTriggerError waits until KEDA says so of the ScaledJob.
func (s setting) saysTriggerError(t *testing.T, name string, within time.Duration, what string) {
	t.Helper()
	until(t, within, what, func() bool {
		_, reason := s.cluster.condition(name, "Ready")
		return reason == "TriggerError"
	})
}

func TestEachJobGetsOneAgent(t *testing.T) {
	s := set(t)
	s.cluster.apply(kind{name: "java", capabilities: java, maximum: 20, trigger: external(s.scaler.grpc, "linux", "java=17", 20)})
	s.azure.queue("linux", 5, time.Second, "java -equals 17")
	s.runs(t, 5, 40*time.Second, "all jobs have run")
}

func TestABadTriggerIsAnEventWithItsMend(t *testing.T) {
	s := set(t)
	bad := external(s.scaler.grpc, "linux", "java=17", 20, "poolNam", "linux")
	s.cluster.apply(kind{name: "bad", maximum: 20, trigger: bad})
	s.azure.queue("linux", 3, time.Second)
	until(t, 15*time.Second, "the event names the key and the nearest known one", func() bool {
		return s.cluster.has("Warning", "KEDAScalerFailed", "`poolNam`", "`poolName`")
	})
	until(t, 5*time.Second, "the ScaledJob is not ready", func() bool {
		status, reason := s.cluster.condition("bad", "Ready")
		return status == metav1.ConditionFalse && reason == "TriggerError"
	})
	if created, _ := s.cluster.jobs(); created != 0 {
		t.Errorf("%d agents were started", created)
	}
}

func TestAPoolThatIsNotThereIsAnEvent(t *testing.T) {
	s := set(t)
	s.cluster.apply(kind{name: "lost", maximum: 20, trigger: external(s.scaler.grpc, "windows", "java=17", 20)})
	until(t, 15*time.Second, "the event names the pool and the organization", func() bool {
		return s.cluster.has("Warning", "KEDAScalerFailed", "`windows`", "`contoso`")
	})
}

func TestAnOutageIsAnErrorAndStartsNothing(t *testing.T) {
	s := set(t)
	s.azure.fail(503)
	s.cluster.apply(kind{name: "java", capabilities: java, maximum: 20, trigger: external(s.scaler.grpc, "linux", "java=17", 20)})
	s.azure.queue("linux", 3, time.Second)
	until(t, 20*time.Second, "an event tells the outage", func() bool {
		return s.cluster.has("Warning", "KEDAScalerFailed", "503")
	})
	s.saysTriggerError(t, "java", 10*time.Second, "KEDA says TriggerError")
	if created, _ := s.cluster.jobs(); created != 0 {
		t.Errorf("%d agents were started while nothing was known", created)
	}
	s.azure.fail(0)
	s.runs(t, 3, 60*time.Second, "all jobs have run after the outage")
}

func TestAnOutageLaterKeepsAgentsAndStartsNoMore(t *testing.T) {
	s := set(t)
	s.cluster.apply(kind{name: "java", capabilities: java, maximum: 20, trigger: external(s.scaler.grpc, "linux", "java=17", 20)})
	s.azure.queue("linux", 2, 15*time.Second)
	until(t, 20*time.Second, "both jobs run", func() bool { return s.azure.state().count("running") == 2 })
	s.azure.fail(503)
	s.azure.queue("linux", 3, time.Second)
	s.saysTriggerError(t, "java", 30*time.Second, "KEDA says TriggerError once what was known is too old")
	if created, _ := s.cluster.jobs(); created != 2 {
		t.Errorf("%d agents, 2 of them from before the outage", created)
	}
	s.azure.fail(0)
	s.runs(t, 5, 60*time.Second, "all jobs have run after the outage")
}

func TestFromEnvIsResolvedByKEDA(t *testing.T) {
	s := set(t)
	trigger := external(s.scaler.grpc, "linux", "java=17", 20, "organizationURLFromEnv", "AZP_URL")
	environment := []corev1.EnvVar{{Name: "AZP_URL", Value: s.azure.url}}
	s.cluster.apply(kind{name: "java", capabilities: java, maximum: 20, trigger: trigger, environment: environment})
	other := external(s.scaler.grpc, "linux", "java=17", 20, "organizationURLFromEnv", "AZP_URL")
	elsewhere := []corev1.EnvVar{{Name: "AZP_URL", Value: "https://dev.azure.com/fabrikam"}}
	s.cluster.apply(kind{name: "other", capabilities: java, maximum: 20, trigger: other, environment: elsewhere})
	until(t, 20*time.Second, "the other URL arrived as its value, and is refused", func() bool {
		return s.cluster.has("Warning", "KEDAScalerFailed", "https://dev.azure.com/fabrikam")
	})
	s.azure.queue("linux", 2, time.Second, "java")
	s.runs(t, 2, 40*time.Second, "all jobs have run")
}

func TestARestartInMidBurstStartsNoAgentTwice(t *testing.T) {
	s := set(t)
	s.cluster.apply(kind{name: "java", capabilities: java, maximum: 4, trigger: external(s.scaler.grpc, "linux", "java=17", 4)})
	s.azure.queue("linux", 12, 2*time.Second, "java")
	until(t, 40*time.Second, "a third has run", func() bool { return s.azure.state().count("done") >= 4 })
	s.scaler.restart()
	until(t, 60*time.Second, "all jobs have run", func() bool { return s.azure.state().count("done") == 12 })
	created, peak := s.cluster.jobs()
	if created != 12 || peak > 4 {
		t.Errorf("%d agents for 12 jobs, %d at once where 4 may be", created, peak)
	}
}
