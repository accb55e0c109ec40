package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// An organization is `azp-scaler simulate`, and its control API.
type organization struct {
	t       testing.TB
	url     string
	control string
}

// A state is what the control API tells.
type state struct {
	NowMs    int64 `json:"now_ms"`
	Jobs     []jobState
	Agents   []agentState
	Requests map[string]int
	Refused  int   `json:"refused_requests"`
	Bytes    int64 `json:"bytes_sent"`
}

type jobState struct {
	ID         int64
	State      string
	Agent      string
	QueuedMs   int64  `json:"queued_ms"`
	StartedMs  *int64 `json:"started_ms"`
	FinishedMs *int64 `json:"finished_ms"`
}

type agentState struct {
	Name         string
	Ephemeral    bool
	Online, Busy bool
	RegisteredMs int64  `json:"registered_ms"`
	GoneMs       *int64 `json:"gone_ms"`
}

var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: time.Minute}

func startOrganization(t testing.TB, seed int, pools ...string) *organization {
	t.Helper()
	arguments := []string{"simulate", "--listen", "127.0.0.1:0", "--seed", fmt.Sprint(seed)}
	for _, pool := range pools {
		arguments = append(arguments, "--pool", pool)
	}
	var ready struct {
		URL     string `json:"organization_url"`
		Control string
	}
	started, err := start(arguments, []string{"AZP_TOKEN=" + token}, true, func(line []byte) bool {
		return json.Unmarshal(line, &ready) == nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { started.stop() })
	return &organization{t: t, url: ready.URL, control: ready.Control}
}

func (o *organization) call(method, path string, body, answer any) error {
	var sent io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return err
		}
		sent = bytes.NewReader(encoded)
	}
	request, err := http.NewRequest(method, o.control+"/"+path, sent)
	if err != nil {
		return err
	}
	request.SetBasicAuth("", token)
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, text)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}

func (o *organization) must(method, path string, body, answer any) {
	o.t.Helper()
	if err := o.call(method, path, body, answer); err != nil {
		o.t.Fatal(err)
	}
}

// queue queues jobs that are alike.
func (o *organization) queue(pool string, count int, runs time.Duration, demands ...string) {
	o.t.Helper()
	body := map[string]any{"pool": pool, "count": count, "duration_ms": runs.Milliseconds()}
	if demands != nil {
		body["demands"] = demands
	}
	o.must("POST", "jobs", body, nil)
}

// An agent as it registers.
type agent struct {
	Pool         string            `json:"pool"`
	Name         string            `json:"name"`
	Capabilities map[string]string `json:"capabilities"`
	Ephemeral    bool              `json:"ephemeral"`
	LingerMs     int64             `json:"linger_ms"`
}

func (o *organization) register(registering agent) error {
	return o.call("POST", "agents", registering, nil)
}

// gone waits until an agent is no longer registered; for 25 s at most, and says whether it is so.
func (o *organization) gone(pool, name string) (bool, error) {
	var answer struct{ Ended bool }
	err := o.call("GET", "agents/"+url.PathEscape(pool)+"/"+url.PathEscape(name)+"/end", nil, &answer)
	return answer.Ended, err
}

func (o *organization) state() state {
	o.t.Helper()
	var answer state
	o.must("GET", "state", nil, &answer)
	return answer
}

// fail lets every request get this status; 0 mends it.
func (o *organization) fail(status int) {
	o.t.Helper()
	body := map[string]any{"status": nil}
	if status != 0 {
		body["status"] = status
	}
	o.must("PUT", "faults", body, nil)
}

// allow lets so many jobs run at once.
func (o *organization) allow(jobs int) {
	o.t.Helper()
	o.must("PUT", "parallel-jobs", map[string]any{"private": jobs}, nil)
}

// count counts the jobs in a state.
func (s state) count(of string) int {
	count := 0
	for _, job := range s.Jobs {
		if job.State == of {
			count++
		}
	}
	return count
}

// until waits until what is asked holds.
func until(t testing.TB, within time.Duration, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("after %s still not: %s", within, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
