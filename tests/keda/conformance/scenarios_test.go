package conformance

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	corev1 "k8s.io/api/core/v1"
)

// A scenario is a workload that both scalers are given.
type scenario struct {
	name string
	// kinds are the ScaledJobs.
	kinds  []offer
	delays delays
	// static agents that are there before anything else.
	static int
	// cap is how many jobs may run at once; 0 is any number.
	cap int
	// runnable is how many jobs there are that somebody can run.
	runnable int
	// second says that there are two replicas of this scaler.
	second bool
	// script is what happens.
	script func(r *run)
	// buys says in a few words why the built-in's waits may be shorter: with surplus agents.
	buys string
	// slack is by how many seconds, beyond a polling interval, this scaler's waits may be longer, and why.
	slack  float64
	excuse string
}

// An offer is a ScaledJob as both triggers say it.
type offer struct {
	name         string
	capabilities map[string]string
	// declared is the same for this scaler, demands for the built-in one.
	declared, demands string
	maximum           int32
	priority          string
}

var docker = offer{name: "docker", capabilities: map[string]string{"docker": ""}, declared: "docker", demands: "docker", maximum: 50}

func scenarios() []scenario {
	slow, lingering := usual, usual
	slow.register = 5 * time.Second
	lingering.linger = 12 * time.Second
	one := []offer{docker}
	second := time.Second

	overlapping := []offer{
		{name: "small", capabilities: map[string]string{"docker": ""}, declared: "docker", demands: "docker", maximum: 50},
		{name: "java", capabilities: map[string]string{"docker": "", "java": "17"}, declared: "docker, java=17", demands: "docker,java -equals 17", maximum: 50},
		{name: "gpu", capabilities: map[string]string{"docker": "", "java": "17", "cuda": ""}, declared: "docker, java=17, cuda", demands: "docker,java -equals 17,cuda", maximum: 50},
	}
	overflow := []offer{docker, docker}
	overflow[0].name, overflow[0].maximum, overflow[0].priority = "first", 3, "1"
	overflow[1].name = "second"
	var twenty []offer
	for place := range 20 {
		name := fmt.Sprintf("k%d", place)
		twenty = append(twenty, offer{name: name, capabilities: map[string]string{name: ""}, declared: name, demands: name, maximum: 10})
	}
	undemanding := docker
	undemanding.demands = ""

	return []scenario{
		{name: "single burst", kinds: one, delays: usual, runnable: 10, script: func(r *run) {
			r.queue(10, 3*second, "docker")
		}},
		{name: "steady arrivals", kinds: one, delays: usual, runnable: 20, script: func(r *run) {
			for range 20 {
				r.queue(1, 2*second, "docker")
				r.wait(time.Duration(300+r.random.IntN(600)) * time.Millisecond)
			}
		}},
		{name: "three overlapping ScaledJobs", kinds: overlapping, delays: usual, runnable: 40, script: func(r *run) {
			for range 8 {
				r.queue(3, 3*second, "docker")
				r.queue(1, 3*second, "docker", "java -equals 17")
				r.queue(1, 3*second, "cuda", "docker")
				r.wait(time.Duration(500+r.random.IntN(1000)) * time.Millisecond)
			}
		}},
		{name: "registration takes 5 s", kinds: one, delays: slow, runnable: 8, script: func(r *run) {
			r.queue(8, 3*second, "docker")
		}},
		{name: "8 static agents idle, 10 jobs", kinds: one, delays: usual, static: 8, runnable: 10, script: func(r *run) {
			r.queue(10, 6*second, "docker")
		}},
		{name: "4 static agents busy, then 4 jobs", kinds: one, delays: usual, static: 4, runnable: 8, script: func(r *run) {
			r.queue(4, 15*second, "docker")
			r.wait(4 * second)
			r.queue(4, 3*second, "docker")
		}},
		{name: "licence for 3, 15 jobs", kinds: one, delays: usual, cap: 3, runnable: 15, script: func(r *run) {
			r.queue(15, 2*second, "docker")
		}, buys: "15 agents at once"},
		{name: "agents linger 12 s", kinds: one, delays: lingering, runnable: 15, script: func(r *run) {
			for range 3 {
				r.queue(5, 2*second, "docker")
				r.wait(7 * second)
			}
		}},
		{name: "3 jobs that nobody can run", kinds: []offer{undemanding}, delays: usual, runnable: 3, script: func(r *run) {
			r.queue(3, 3*second, "cuda")
			r.queue(3, 3*second, "docker")
		}, buys: "agents for jobs that they can't run"},
		{name: "20 ScaledJobs on one pool", kinds: twenty, delays: usual, runnable: 20, script: func(r *run) {
			for place := range 20 {
				r.queue(1, 3*second, fmt.Sprintf("k%d", place))
			}
		}},
		{name: "overflow and return", kinds: overflow, delays: usual, runnable: 9, script: func(r *run) {
			r.queue(6, 3*second, "docker")
			r.done(6)
			r.wait(2 * second)
			r.queue(3, 3*second, "docker")
		}},
		{name: "image broken for 12 s", kinds: one, delays: usual, runnable: 4, script: func(r *run) {
			r.cluster.breakImage("docker", true)
			r.queue(4, 3*second, "docker")
			r.wait(12 * second)
			r.cluster.breakImage("docker", false)
		}, buys: "pods that fail one after the other until one does not"},
		{name: "scaler restarted in mid-burst", kinds: one, delays: usual, runnable: 20, script: func(r *run) {
			r.queue(10, 3*second, "docker")
			r.wait(1500 * time.Millisecond)
			r.restart()
			r.queue(10, 3*second, "docker")
		}, slack: 3, excuse: "it starts, KEDA waits a second before it connects again, and the pool settles for a second"},
		{name: "one of two replicas restarted in mid-burst", kinds: one, delays: usual, runnable: 20, second: true, script: func(r *run) {
			// Each replica is asked every other time, and then its pool settles.
			r.wait(3 * second)
			r.queue(10, 3*second, "docker")
			r.wait(1500 * time.Millisecond)
			r.restart()
			r.queue(10, 3*second, "docker")
		}, slack: 3, excuse: "polls that meet the replica that ends, or that has just begun and settles, start nothing"},
	}
}

// A run is a scenario with one scaler and one seed.
type run struct {
	scenario scenario
	ours     bool
	random   *rand.Rand
	azure    *organization
	cluster  *cluster
	// scalers are the replicas of this scaler.
	scalers []*scaler
	// homes are the ScaledJobs that fit most tightly, job by job.
	homes []string
}

const pool = "linux"

func (r *run) queue(count int, runs time.Duration, demands ...string) {
	for range count {
		r.homes = append(r.homes, r.home(demands))
	}
	r.azure.queue(pool, count, runs, demands...)
}

// home is the first ScaledJob with the fewest capabilities of those that offer all that is demanded.
func (r *run) home(demands []string) string {
	home, fewest := "", math.MaxInt
	for _, of := range r.scenario.kinds {
		lacks := slices.ContainsFunc(demands, func(demand string) bool {
			name, _, _ := strings.Cut(demand, " ")
			_, has := of.capabilities[name]
			return !has
		})
		if !lacks && len(of.capabilities) < fewest {
			home, fewest = of.name, len(of.capabilities)
		}
	}
	return home
}

// strayed counts the jobs that Azure gave to an agent with more capabilities than the one that was started for them.
func (r *run) strayed(jobs []jobState) int {
	strayed := 0
	for place, job := range jobs {
		for _, of := range r.scenario.kinds {
			started := strings.HasPrefix(job.Agent, of.name+"-")
			if started && len(of.capabilities) > len(r.capabilities(r.homes[place])) {
				strayed++
			}
		}
	}
	return strayed
}

func (r *run) capabilities(of string) map[string]string {
	for _, kind := range r.scenario.kinds {
		if kind.name == of {
			return kind.capabilities
		}
	}
	return nil
}

func (r *run) wait(pause time.Duration) { time.Sleep(pause) }

func (r *run) done(count int) {
	until(r.cluster.t, 3*time.Minute, fmt.Sprintf("%s: %d jobs have run", r.scenario.name, count), func() bool {
		return r.azure.state().count("done") >= count
	})
}

// restart restarts what scales: this scaler's first replica, or KEDA's scale loop, in which the built-in one lives.
func (r *run) restart() {
	if r.ours {
		r.scalers[0].restart()
	} else {
		r.cluster.restartKEDA()
	}
}

// kind is the ScaledJob with the trigger of one of the two scalers.
func (r *run) kind(of offer) kind {
	made := kind{name: of.name, capabilities: of.capabilities, maximum: of.maximum}
	if r.ours {
		made.trigger = external(service(r.scalers...), pool, of.declared, of.maximum)
		if of.priority != "" {
			made.trigger.Metadata["priority"] = of.priority
		}
		return made
	}
	made.trigger = kedav1alpha1.ScaleTriggers{Type: "azure-pipelines", Metadata: map[string]string{
		"organizationURLFromEnv": "AZP_URL", "personalAccessTokenFromEnv": "AZP_TOKEN", "poolName": pool,
		"fetchUnfinishedJobsOnly": "true",
	}}
	if of.demands != "" {
		made.trigger.Metadata["demands"] = of.demands
	}
	made.environment = []corev1.EnvVar{{Name: "AZP_URL", Value: r.azure.url}, {Name: "AZP_TOKEN", Value: token}}
	return made
}
