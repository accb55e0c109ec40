package conformance

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/kedacore/keda/v2/pkg/scalers"
	"github.com/kedacore/keda/v2/pkg/scalers/scalersconfig"
)

// What jobs demand and what triggers list: alike and not quite, and what KEDA leaves out of both.
var vocabulary = []string{
	"java", "Java", "java -equals 17", "java -equals 11", "maven", "docker", "node -gtVersion 18.2", "ünicode",
	"Agent.Version -gtVersion 2.163.1",
}

// What agents offer.
var offers = []map[string]string{
	{"java": "17", "maven": ""}, {"java": "11", "docker": ""}, {"docker": "", "node": "20.1.0"}, {"ünicode": ""}, {},
}

func some(random *rand.Rand, most int) []string {
	chosen := []string{}
	for range random.IntN(most + 1) {
		chosen = append(chosen, vocabulary[random.IntN(len(vocabulary))])
	}
	return chosen
}

// crowd fills a pool: jobs that run for longer than the test, and agents that take some of them.
func crowd(t *testing.T, azure *organization, pool string, random *rand.Rand) {
	for range random.IntN(8) {
		azure.queue(pool, 1+random.IntN(3), time.Hour, some(random, 3)...)
	}
	for number := range random.IntN(4) {
		new := agent{Pool: pool, Name: fmt.Sprintf("agent-%d", number), Capabilities: offers[random.IntN(len(offers))]}
		if err := azure.register(new); err != nil {
			t.Fatal(err)
		}
	}
}

// metadata is that of a built-in trigger, drawn at random.
func metadata(pool string, random *rand.Rand) map[string]string {
	drawn := map[string]string{"poolName": pool, "fetchUnfinishedJobsOnly": "true"}
	flag := func(key string) {
		if random.IntN(2) == 0 {
			drawn[key] = fmt.Sprint(random.IntN(2) == 0)
		}
	}
	if random.IntN(4) == 0 {
		drawn["parent"] = fmt.Sprintf("agent-%d", random.IntN(4))
	}
	if random.IntN(4) > 0 {
		drawn["demands"] = strings.Join(some(random, 3), []string{",", ", "}[random.IntN(2)])
	}
	switch random.IntN(3) {
	case 0:
		drawn["requireAllDemands"] = "true"
	case 1:
		drawn["requireAllDemandsAndIgnoreOthers"] = "true"
	}
	flag("caseInsensitiveDemandsProcessing")
	flag("scaleOnInFlight")
	if random.IntN(4) == 0 {
		drawn["activationTargetPipelinesQueueLength"] = fmt.Sprint(random.IntN(4))
	}
	return drawn
}

// A number is what KEDA is told.
type number struct {
	milli  int64
	active bool
}

func ask(t *testing.T, of scalers.Scaler) number {
	name := of.GetMetricSpecForScaling(context.Background())[0].External.Metric.Name
	values, active, err := of.GetMetricsAndActivity(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	return number{values[0].Value.MilliValue(), active}
}

// TestBuiltinMatchingCountsLikeKEDA compares `matching: builtin` with KEDA's own scaler, to the job.
func TestBuiltinMatchingCountsLikeKEDA(t *testing.T) {
	place(t)
	const pools, settings = 60, 40
	random := rand.New(rand.NewPCG(1, 2))
	azure := startOrganization(t, 1)
	ours := startScaler(t, azure.url)
	of := func(name string, metadata map[string]string) *scalersconfig.ScalerConfig {
		return &scalersconfig.ScalerConfig{
			ScalableObjectName: name, ScalableObjectNamespace: namespace, ScalableObjectType: "ScaledJob",
			TriggerMetadata: metadata, MetricType: "AverageValue", GlobalHTTPTimeout: 10 * time.Second,
			AuthParams: map[string]string{"personalAccessToken": token},
		}
	}
	compared, differing := 0, map[number]int{}
	var wanted, got number
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("last KEDA counted %v, and this scaler %v", wanted, got)
		}
	})
	for pool := range pools {
		pool := fmt.Sprintf("pool-%d", pool)
		azure.queue(pool, 1, time.Hour)
		crowd(t, azure, pool, random)
		for place := range settings {
			drawn := metadata(pool, random)
			theirs, copied := map[string]string{"organizationURL": azure.url}, map[string]string{
				"scalerAddress": ours.grpc, "matching": "builtin",
			}
			for key, value := range drawn {
				theirs[key], copied[key] = value, value
			}
			builtin, err := scalers.NewAzurePipelinesScaler(context.Background(), of("builtin", theirs))
			if err != nil {
				t.Fatal(err)
			}
			external, err := scalers.NewExternalScaler(of(fmt.Sprintf("%s-%d", pool, place), copied))
			if err != nil {
				t.Fatal(err)
			}
			// Both look at their own moment, and agents are given jobs while the pool fills up.
			until(t, 10*time.Second, fmt.Sprintf("%v: both count the same", drawn), func() bool {
				wanted, got = ask(t, builtin), ask(t, external)
				return wanted == got
			})
			compared++
			differing[wanted]++
			_, _ = builtin.Close(context.Background()), external.Close(context.Background())
		}
	}
	t.Logf("%d settings on %d pools, with %d different numbers", compared, pools, len(differing))
	if len(differing) < 10 {
		t.Errorf("only %d different numbers: the test sees too little", len(differing))
	}
}
