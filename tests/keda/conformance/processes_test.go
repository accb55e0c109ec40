package conformance

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The token that the simulated organisation lets in.
const token = "token-of-the-simulated-organization"

// What the scaler has seen may be this old. ScaledJobs are polled every second here and every 5 s in the README, where the
// default is 1 s; as long as the polling interval it is at its worst.
var freshFor = flag.Duration("fresh-for", 200*time.Millisecond, "fresh_for of the scaler: how old what it has seen may be")

// binary is azp-scaler; a release unless told otherwise.
func binary() string {
	if path := os.Getenv("AZP_SCALER"); path != "" {
		return path
	}
	return "../../../target/release/azp-scaler"
}

// A process is a running azp-scaler, with what it has said so far.
type process struct {
	command *exec.Cmd
	ended   chan struct{}

	lock sync.Mutex
	said strings.Builder
}

// start runs azp-scaler and gives its lines to ready until that knows enough.
func start(arguments, environment []string, stdout bool, ready func(line []byte) bool) (*process, error) {
	started := &process{command: exec.Command(binary(), arguments...), ended: make(chan struct{})}
	started.command.Env = environment
	lines := started.command.StderrPipe
	if stdout {
		lines = started.command.StdoutPipe
	}
	pipe, err := lines()
	if err != nil {
		return nil, err
	}
	if err := started.command.Start(); err != nil {
		return nil, fmt.Errorf("%w: build it first, or set AZP_SCALER", err)
	}
	isReady := make(chan struct{})
	go started.listen(pipe, func(line []byte) bool {
		if ready(line) {
			close(isReady)
			return true
		}
		return false
	})
	select {
	case <-isReady:
		return started, nil
	case <-started.ended:
		return nil, fmt.Errorf("azp-scaler %v ended before it was ready:\n%s", arguments, started.log())
	case <-time.After(20 * time.Second):
		_ = started.command.Process.Kill()
		return nil, fmt.Errorf("azp-scaler %v was not ready after 20 s:\n%s", arguments, started.log())
	}
}

func (p *process) listen(pipe io.Reader, ready func([]byte) bool) {
	scanner := bufio.NewScanner(pipe)
	scanner.Buffer(nil, 1<<20)
	isReady := false
	for scanner.Scan() {
		isReady = isReady || ready(scanner.Bytes())
		p.lock.Lock()
		p.said.Write(append(scanner.Bytes(), '\n'))
		p.lock.Unlock()
	}
	_ = p.command.Wait()
	close(p.ended)
}

func (p *process) log() string {
	p.lock.Lock()
	defer p.lock.Unlock()
	return p.said.String()
}

// stop asks it to end as Kubernetes does, and says how long it has computed.
func (p *process) stop() time.Duration {
	_ = p.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(25 * time.Second):
		_ = p.command.Process.Kill()
		<-p.ended
	}
	return p.command.ProcessState.UserTime() + p.command.ProcessState.SystemTime()
}

// A scaler is `azp-scaler serve` on one organisation; it may be restarted at its address.
type scaler struct {
	t            testing.TB
	process      *process
	organization string
	grpc, http   string
	// variables are settings beyond the usual ones.
	variables []string
	// computed is the time that processes before this one have used.
	computed time.Duration
}

func startScaler(t testing.TB, organization string, variables ...string) *scaler {
	s := &scaler{t: t, organization: organization, grpc: "127.0.0.1:0", http: "127.0.0.1:0", variables: variables}
	s.begin()
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Logf("the scaler said:\n%s", s.process.log())
		}
	})
	return s
}

func (s *scaler) begin() {
	s.t.Helper()
	var serving struct{ Message, Grpc, HTTP string }
	started, err := start([]string{"serve"}, append([]string{
		"AZP_URL=" + s.organization,
		"AZP_TOKEN=" + token,
		"AZP_SCALER__GRPC__LISTEN=" + s.grpc,
		"AZP_SCALER__HTTP__LISTEN=" + s.http,
		"AZP_SCALER__DECISIONS__SETTLE=1s",
		"AZP_SCALER__KUBERNETES__VIEW=off",
		"AZP_SCALER__POLLING__FRESH_FOR=" + freshFor.String(),
	}, s.variables...), false, func(line []byte) bool {
		return json.Unmarshal(line, &serving) == nil && serving.Message == "serving"
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.process, s.grpc, s.http = started, serving.Grpc, serving.HTTP
}

func (s *scaler) stop() {
	if s.process.command.ProcessState == nil {
		s.computed += s.process.stop()
	}
}

func (s *scaler) restart() {
	s.stop()
	s.begin()
}
