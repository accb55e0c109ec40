// Command older asks a scaler as an older KEDA does: with the client that was generated for that release.
//
//	go run -modfile older/2.16.1.mod ./older ADDRESS NAMESPACE NAME KEY=VALUE…
//
// It prints what KEDA would read, as one line of JSON. Its modules are those of the release alone: nothing of that KEDA is
// built but its client.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// An answer is what such a KEDA acts on.
type answer struct {
	Active bool   `json:"active"`
	Metric string `json:"metric"`
	Target int64  `json:"target"`
	Value  int64  `json:"value"`
}

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: older ADDRESS NAMESPACE NAME KEY=VALUE…")
		os.Exit(2)
	}
	found, err := ask(os.Args[1], os.Args[2], os.Args[3], os.Args[4:])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(found)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "older:", err)
		os.Exit(1)
	}
}

func ask(address, namespace, name string, settings []string) (found answer, err error) {
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return found, err
	}
	defer connection.Close()
	metadata := map[string]string{}
	for _, setting := range settings {
		key, value, _ := strings.Cut(setting, "=")
		metadata[key] = value
	}
	ctx, stop := context.WithTimeout(context.Background(), 10*time.Second)
	defer stop()
	scaler := externalscaler.NewExternalScalerClient(connection)
	ref := &externalscaler.ScaledObjectRef{Name: name, Namespace: namespace, ScalerMetadata: metadata}
	active, err := scaler.IsActive(ctx, ref)
	if err != nil {
		return found, fmt.Errorf("IsActive: %w", err)
	}
	specs, err := scaler.GetMetricSpec(ctx, ref)
	if err != nil {
		return found, fmt.Errorf("GetMetricSpec: %w", err)
	}
	if len(specs.MetricSpecs) != 1 {
		return found, fmt.Errorf("%d metrics", len(specs.MetricSpecs))
	}
	found = answer{Active: active.Result, Metric: specs.MetricSpecs[0].MetricName, Target: specs.MetricSpecs[0].TargetSize}
	values, err := scaler.GetMetrics(ctx, &externalscaler.GetMetricsRequest{ScaledObjectRef: ref, MetricName: found.Metric})
	if err != nil {
		return found, fmt.Errorf("GetMetrics: %w", err)
	}
	if len(values.MetricValues) != 1 || values.MetricValues[0].MetricName != found.Metric {
		return found, fmt.Errorf("values %v", values.MetricValues)
	}
	found.Value = values.MetricValues[0].MetricValue
	return found, nil
}
