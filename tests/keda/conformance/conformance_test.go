// Package conformance tries azp-scaler on KEDA's own code: its scale loop, its external scaler's client, its built-in
// azure-pipelines scaler and its executor, over a fake API server, with a simulated organisation as Azure DevOps.
package conformance

import (
	"testing"
	"time"
)

func TestBurst(t *testing.T) {
	t.Parallel()
	azure := startOrganization(t, 1, "linux")
	scaler := startScaler(t, azure.url)
	c := newCluster(t, azure, "linux", usual)
	c.apply(kind{name: "java", capabilities: map[string]string{"java": "17"}, maximum: 20, trigger: external(scaler.grpc, "linux", "java=17", 20)})
	azure.queue("linux", 5, time.Second, "java -equals 17")
	until(t, 40*time.Second, "all jobs have run", func() bool { return azure.state().count("done") == 5 })
	if created, _ := c.jobs(); created != 5 {
		t.Errorf("%d agents for 5 jobs", created)
	}
}
