package conformance

import (
	"context"
	"encoding/json"
	"io"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/kedacore/keda/v2/pkg/scalers"
	"github.com/kedacore/keda/v2/pkg/scalers/scalersconfig"
	kedautil "github.com/kedacore/keda/v2/pkg/util"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	health "google.golang.org/grpc/health/grpc_health_v1"
	reflection "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"k8s.io/apimachinery/pkg/api/validation/path"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
)

func init() {
	logf.SetLogger(logr.Discard())
}

// config is what KEDA builds its external scaler from.
func config(s setting, object, index string, pool string) *scalersconfig.ScalerConfig {
	place, _ := strconv.Atoi(index)
	return &scalersconfig.ScalerConfig{
		ScalableObjectName: "java", ScalableObjectNamespace: namespace, ScalableObjectType: object, TriggerIndex: place,
		TriggerMetadata: external(s.scaler.grpc, pool, "java=17", 20).Metadata,
		MetricType:      "AverageValue", GlobalHTTPTimeout: 3 * time.Second,
	}
}

func TestMetricNamesPassKEDAsChecks(t *testing.T) {
	s := set(t)
	for _, pool := range []string{"linux", "Linux Pool", "größe/1 (neu)", "a.b_c-D", "日本"} {
		asked, err := scalers.NewExternalScaler(config(s, "ScaledJob", "3", pool))
		if err != nil {
			t.Fatal(err)
		}
		specs := asked.GetMetricSpecForScaling(context.Background())
		if len(specs) != 1 {
			t.Errorf("pool %q has %d metrics", pool, len(specs))
			continue
		}
		name := specs[0].External.Metric.Name
		if faults := path.IsValidPathSegmentName(name); len(faults) > 0 || name != kedautil.NormalizeString(name) {
			t.Errorf("pool %q: the metric's name %q: %v", pool, name, faults)
		}
		if !regexp.MustCompile(`^s3-[a-z0-9-]+$`).MatchString(name) {
			t.Errorf("pool %q: the metric's name %q has other characters than KEDA's own", pool, name)
		}
		_ = asked.Close(context.Background())
	}
}

func TestValueAndActivityArriveAsTheyAre(t *testing.T) {
	s := set(t)
	asked, err := scalers.NewExternalScaler(config(s, "ScaledJob", "0", "linux"))
	if err != nil {
		t.Fatal(err)
	}
	defer asked.Close(context.Background())
	read := func() (int64, bool) {
		name := asked.GetMetricSpecForScaling(context.Background())[0].External.Metric.Name
		values, active, err := asked.GetMetricsAndActivity(context.Background(), name)
		if err != nil || len(values) != 1 || values[0].MetricName != name {
			t.Fatalf("%v %v", values, err)
		}
		return values[0].Value.MilliValue(), active
	}
	if value, active := read(); value != 0 || active {
		t.Errorf("nothing waits: %d thousandths, active %t", value, active)
	}
	s.azure.queue("linux", 3, time.Minute, "java")
	until(t, 10*time.Second, "three jobs are a value of 3", func() bool {
		value, active := read()
		return value == 3000 && active
	})
}

func TestBothStreamsOfExternalPush(t *testing.T) {
	s := set(t)
	configuration := config(s, "ScaledObject", "0", "linux")
	configuration.TriggerMetadata["scalingStrategy"] = "none"
	pushed, err := scalers.NewExternalPushScaler(configuration)
	if err != nil {
		t.Fatal(err)
	}
	defer pushed.Close(context.Background())
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	active := make(chan bool)
	go pushed.Run(ctx, active)
	streamer, streams := pushed.(scalers.MetricSpecStreamer)
	if !streams {
		t.Fatal("KEDA's push scaler streams no metric specs")
	}
	select {
	case specs := <-streamer.MetricSpecChan():
		asked := pushed.GetMetricSpecForScaling(ctx)
		if len(specs) != 1 || len(asked) != 1 || specs[0].External.Metric.Name != asked[0].External.Metric.Name ||
			specs[0].External.Target.AverageValue.Cmp(*asked[0].External.Target.AverageValue) != 0 {
			t.Errorf("streamed %v, asked %v", specs, asked)
		}
	case <-time.After(10 * time.Second):
		t.Error("StreamMetricSpec sends nothing")
	}
	expect := func(want bool) {
		t.Helper()
		deadline := time.After(45 * time.Second)
		for {
			select {
			case got, open := <-active:
				if got == want && open {
					return
				}
				if !open {
					t.Fatal("StreamIsActive has ended")
				}
			case <-deadline:
				t.Fatalf("StreamIsActive does not say %t", want)
			}
		}
	}
	expect(false)
	s.azure.queue("linux", 1, time.Minute, "java")
	expect(true)
}

func TestTwoReplicasBehindRoundRobinAnswerAsOne(t *testing.T) {
	s := set(t)
	second := startScaler(t, s.azure.url)
	address := service(s.scaler, second)
	s.cluster.apply(kind{name: "java", capabilities: java, maximum: 20, trigger: external(address, "linux", "java=17", 20)})
	until(t, 15*time.Second, "both replicas were asked", func() bool {
		return asked(t, s.scaler.http, "GetMetrics") > 2 && asked(t, second.http, "GetMetrics") > 2
	})
	s.azure.queue("linux", 8, 2*time.Second, "java")
	until(t, 40*time.Second, "all jobs have run", func() bool { return s.azure.state().count("done") == 8 })
	if created, _ := s.cluster.jobs(); created != 8 {
		t.Errorf("%d agents for 8 jobs", created)
	}
}

// asked reads how often a method was called from the scaler's own metrics.
func asked(t *testing.T, address, method string) int {
	t.Helper()
	response, err := client.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, found := range regexp.MustCompile(`azp_scaler_grpc_requests_total\{[^}]*method="`+method+`"[^}]*\} (\d+)`).FindAllSubmatch(text, -1) {
		count, _ := strconv.Atoi(string(found[1]))
		total += count
	}
	return total
}

func connect(t *testing.T, s setting) *grpc.ClientConn {
	connection, err := grpc.NewClient(s.scaler.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	return connection
}

func TestHealthAndReflection(t *testing.T) {
	s := set(t)
	connection, ctx := connect(t, s), context.Background()
	for _, service := range []string{"", "externalscaler.ExternalScaler"} {
		answer, err := health.NewHealthClient(connection).Check(ctx, &health.HealthCheckRequest{Service: service})
		if err != nil || answer.Status != health.HealthCheckResponse_SERVING {
			t.Errorf("service %q: %v, %v", service, answer, err)
		}
	}
	stream, err := reflection.NewServerReflectionClient(connection).ServerReflectionInfo(ctx)
	if err != nil {
		t.Fatal(err)
	}
	list := &reflection.ServerReflectionRequest_ListServices{}
	if err := stream.Send(&reflection.ServerReflectionRequest{MessageRequest: list}); err != nil {
		t.Fatal(err)
	}
	answer, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	for _, service := range answer.GetListServicesResponse().GetService() {
		if service.Name == "externalscaler.ExternalScaler" {
			return
		}
	}
	t.Errorf("reflection does not list the service: %v", answer)
}

func TestClientsOfOlderKEDA(t *testing.T) {
	s := set(t)
	s.azure.queue("linux", 4, time.Minute, "java")
	for _, release := range []string{"2.16.1", "2.20.2"} {
		arguments := []string{"run", "-modfile", "older/" + release + ".mod", "./older", s.scaler.grpc, namespace, "java"}
		for key, value := range config(s, "ScaledJob", "0", "linux").TriggerMetadata {
			arguments = append(arguments, key+"="+value)
		}
		type answer struct {
			Active        bool
			Metric        string
			Target, Value int64
		}
		want := answer{Active: true, Metric: "azure-pipelines-linux", Target: 1, Value: 4}
		until(t, 3*time.Minute, "KEDA "+release+" is told 4", func() bool {
			asks := exec.Command("go", arguments...)
			asks.Dir = ".."
			var failed strings.Builder
			asks.Stderr = &failed
			said, err := asks.Output()
			if err != nil {
				t.Fatalf("KEDA %s: %v\n%s", release, err, failed.String())
			}
			var got answer
			if err := json.Unmarshal(said, &got); err != nil {
				t.Fatalf("KEDA %s: %v in %s", release, err, said)
			}
			return got == want
		})
	}
}
