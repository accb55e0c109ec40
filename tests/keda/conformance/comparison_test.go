package conformance

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	seeds    = flag.Int("seeds", 1, "how many seeds each scenario of the comparison is run with")
	markdown = flag.String("markdown", "", "where the comparison is written to, as Markdown")
)

// Figures are what a scenario has cost with one scaler, over all seeds.
type figures struct {
	runs, jobs, started, surplus, peak int
	// strayed jobs ran on an agent with more capabilities than the one that was started for them, which is left over; late
	// and broken Kubernetes Jobs are those that may have stood for one that had just ended, and those whose pod failed.
	strayed, late, broken int
	idle                  float64
	waits                 []float64
	requests              int
	bytes                 int64
	computed              time.Duration
}

func (f *figures) add(other figures) {
	f.runs++
	f.jobs += other.jobs
	f.started += other.started
	f.surplus += other.surplus
	f.strayed += other.strayed
	f.late += other.late
	f.broken += other.broken
	f.peak = max(f.peak, other.peak)
	f.idle += other.idle
	f.waits = append(f.waits, other.waits...)
	f.requests += other.requests
	f.bytes += other.bytes
	f.computed += other.computed
}

// wait is the wait in seconds that this part of the jobs did not exceed.
func (f *figures) wait(part float64) float64 {
	slices.Sort(f.waits)
	if len(f.waits) == 0 {
		return math.NaN()
	}
	return f.waits[max(0, int(math.Ceil(part*float64(len(f.waits))))-1)]
}

// play runs a scenario once.
func play(t *testing.T, of scenario, ours bool, seed int) figures {
	azure := startOrganization(t, seed, pool)
	r := &run{scenario: of, ours: ours, random: rand.New(rand.NewPCG(uint64(seed), 0)), azure: azure}
	if ours {
		r.scalers = append(r.scalers, startScaler(t, azure.url))
		if of.second {
			r.scalers = append(r.scalers, startScaler(t, azure.url))
		}
	}
	r.cluster = newCluster(t, azure, pool, of.delays)
	for place := range of.static {
		if err := azure.register(agent{Pool: pool, Name: fmt.Sprintf("static-%d", place), Capabilities: docker.capabilities}); err != nil {
			t.Fatal(err)
		}
	}
	if of.cap > 0 {
		azure.allow(of.cap)
	}
	for _, offered := range of.kinds {
		r.cluster.apply(r.kind(offered))
	}
	// Past the time in which a pool settles, and at another moment of the polling interval each time.
	r.wait(2500*time.Millisecond + time.Duration(r.random.IntN(1000))*time.Millisecond)
	of.script(r)
	r.done(of.runnable)
	r.wait(5 * time.Second)
	seen := azure.state()
	r.cluster.stop()
	for _, one := range r.scalers {
		one.stop()
	}
	return r.reckon(seen)
}

func (r *run) reckon(seen state) figures {
	created, peak := r.cluster.jobs()
	found := figures{jobs: seen.count("done"), started: created, peak: peak, bytes: seen.Bytes}
	found.strayed = r.strayed(seen.Jobs)
	found.late, found.broken = r.cluster.excused()
	busy := map[string]int64{}
	for _, job := range seen.Jobs {
		if job.State == "done" {
			found.waits = append(found.waits, float64(*job.StartedMs-job.QueuedMs)/1000)
			busy[job.Agent] += *job.FinishedMs - *job.StartedMs
		}
	}
	used := 0
	for _, agent := range seen.Agents {
		if !agent.Ephemeral {
			continue
		}
		until := seen.NowMs
		if agent.GoneMs != nil {
			until = *agent.GoneMs
		}
		found.idle += float64(until-agent.RegisteredMs-busy[agent.Name]) / 1000
		if busy[agent.Name] > 0 {
			used++
		}
	}
	found.surplus = created - used
	for _, requests := range seen.Requests {
		found.requests += requests
	}
	for _, one := range r.scalers {
		found.computed += one.computed
	}
	return found
}

// A row is one scenario with both scalers.
type row struct {
	of            scenario
	builtin, ours figures
}

func TestSideBySide(t *testing.T) {
	rows := make([]row, 0)
	for _, of := range scenarios() {
		rows = append(rows, row{of: of})
	}
	var lock sync.Mutex
	t.Run("scenario", func(t *testing.T) {
		for place := range rows {
			for seed := 1; seed <= *seeds; seed++ {
				for _, ours := range []bool{false, true} {
					name := fmt.Sprintf("%s/seed %d/ours %t", rows[place].of.name, seed, ours)
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						places <- struct{}{}
						t.Cleanup(func() { <-places })
						found := play(t, rows[place].of, ours, seed)
						lock.Lock()
						defer lock.Unlock()
						if ours {
							rows[place].ours.add(found)
						} else {
							rows[place].builtin.add(found)
						}
					})
				}
			}
		}
	})
	table := tabulate(rows)
	t.Logf("\n%s", table)
	if *markdown != "" {
		if err := os.WriteFile(*markdown, []byte(preface(*seeds)+table+afterword(rows)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range rows {
		if row.builtin.runs == 0 || row.ours.runs == 0 {
			continue // filtered out by -test.run
		}
		judge(t, row)
	}
}

// interval is KEDA's polling interval in seconds.
const interval = 1.0

func judge(t *testing.T, row row) {
	ours, builtin := row.ours, row.builtin
	if named := ours.strayed + ours.late + ours.broken; ours.surplus > named {
		t.Errorf("%s: %d surplus agents, of which %d have a reason: %d jobs ran elsewhere, %d agents had just left, %d pods failed",
			row.of.name, ours.surplus, named, ours.strayed, ours.late, ours.broken)
	}
	// An image is mended somewhere in a round of pods that fail, so one of the two may have a round more.
	if ours.broken > builtin.broken+row.of.runnable*ours.runs {
		t.Errorf("%s: %d pods failed, and %d with the built-in scaler", row.of.name, ours.broken, builtin.broken)
	}
	if ours.surplus-ours.broken > builtin.surplus-builtin.broken+ours.late {
		t.Errorf("%s: %d surplus agents without those that failed, and %d with the built-in scaler",
			row.of.name, ours.surplus-ours.broken, builtin.surplus-builtin.broken)
	}
	if late := ours.wait(0.95) - builtin.wait(0.95); late > interval+row.of.slack && !buys(row) {
		t.Errorf("%s: the wait's p95 is %.1f s later than with the built-in scaler, which buys it with nothing", row.of.name, late)
	}
}

// buys says whether the built-in scaler starts agents that nobody needs, or lets agents idle that nobody needs yet.
func buys(row row) bool {
	return row.builtin.surplus > row.ours.surplus || row.builtin.idle > 2*row.ours.idle
}

func tabulate(rows []row) string {
	var text strings.Builder
	text.WriteString("| scenario | scaler | jobs | agents started | per job | surplus | idle agent-seconds | wait p50 / p95, s | peak | requests | KB | CPU, s |\n")
	text.WriteString("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, row := range rows {
		for _, side := range []struct {
			name string
			figures
		}{{"built-in", row.builtin}, {"azp-scaler", row.ours}} {
			f := side.figures
			if f.runs == 0 {
				continue
			}
			runs := float64(f.runs)
			computed := "in KEDA"
			if f.computed > 0 {
				computed = fmt.Sprintf("%.2f", f.computed.Seconds()/runs)
			}
			fmt.Fprintf(&text, "| %s | %s | %.0f | %.1f | %.2f | %.1f | %.0f | %.1f / %.1f | %d | %.0f | %.0f | %s |\n",
				row.of.name, side.name, float64(f.jobs)/runs, float64(f.started)/runs, float64(f.started)/float64(f.jobs),
				float64(f.surplus)/runs, f.idle/runs, f.wait(0.5), f.wait(0.95), f.peak, float64(f.requests)/runs,
				float64(f.bytes)/runs/1000, computed)
		}
	}
	return text.String()
}

func preface(seeds int) string {
	return fmt.Sprintf(`# Side by side with KEDA's built-in scaler

The same workloads with this scaler and with KEDA 2.21.0's own `+"`azure-pipelines`"+` scaler: KEDA's own scale loop and executor,
polled every second, over a fake API server; pods run after 2 s and register after another second unless the scenario says
otherwise. This scaler runs without the cluster's view, and with a `+"`fresh_for`"+` of %s: a fifth of the polling interval, as the
default is of the README's 5 s. Azure DevOps is the simulated organization of `+"`azp-scaler simulate`"+`, which has no history of finished jobs and
answers without compression: a real pool's answers are larger. Means of %d seeds; the waits are those of all seeds together,
the peak is the highest. Idle agent-seconds are those of started agents, until 5 s after the last job. Surplus is an agent that
ran no job. The built-in scaler computes inside KEDA's process, so its share of the CPU is not told apart.

Measured by, and written with, after `+"`cargo build --release`"+`:

`+"```sh"+`
cd tests/keda && go test ./conformance -run TestSideBySide -timeout 60m -parallel 16 -seeds %d -markdown ../../../docs/comparison.md
`+"```"+`

`, *freshFor, seeds, seeds)
}

func afterword(rows []row) string {
	var text strings.Builder
	for _, row := range rows {
		earlier := row.ours.wait(0.95) - row.builtin.wait(0.95)
		if earlier > interval && buys(row) {
			fmt.Fprintf(&text, "- %s: the built-in scaler's p95 is %.1f s earlier, for %.1f surplus agents instead of %.1f and %.0f idle agent-seconds instead of %.0f",
				row.of.name, earlier, float64(row.builtin.surplus)/float64(row.builtin.runs), float64(row.ours.surplus)/float64(row.ours.runs),
				row.builtin.idle/float64(row.builtin.runs), row.ours.idle/float64(row.ours.runs))
			if row.of.buys != "" {
				fmt.Fprintf(&text, " (%s)", row.of.buys)
			}
			text.WriteString(".\n")
		}
	}
	for _, row := range rows {
		if late := row.ours.wait(0.95) - row.builtin.wait(0.95); row.of.excuse != "" && late > interval {
			fmt.Fprintf(&text, "- %s: %.1f s later without any gain: %s.\n", row.of.name, late, row.of.excuse)
		}
	}
	if text.Len() == 0 {
		return "\nIn no scenario is the built-in scaler's wait (p95) shorter by more than a polling interval.\n"
	}
	return "\nWhere the wait (p95) is longer than the built-in scaler's by more than a polling interval, and for what:\n\n" + text.String()
}
