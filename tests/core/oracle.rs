//! Independent judges: fits by plain reading of the rule, counts by a flow from petgraph, moves by trying everything.

use std::collections::BTreeSet;

use petgraph::{
    algo::maximum_flow,
    graph::{Graph, NodeIndex},
};

/// What one small world consists of, in plain words.
#[derive(Clone, Debug)]
pub(crate) struct Small {
    pub(crate) triggers: Vec<SmallTrigger>,
    pub(crate) agents: Vec<BTreeSet<String>>,
    pub(crate) jobs: Vec<BTreeSet<String>>,
}

#[derive(Clone, Debug)]
pub(crate) struct SmallTrigger {
    pub(crate) offers: BTreeSet<String>,
    pub(crate) max: u32,
    pub(crate) priority: i32,
    /// Which of the ScaledJobs it belongs to.
    pub(crate) scaled_job: usize,
}

/// The most jobs that takers can serve: each job one taker that offers all it asks for, each room no more than its
/// capacity.
pub(crate) fn most(jobs: &[&BTreeSet<String>], takers: &[(&BTreeSet<String>, usize)], rooms: &[u32]) -> u32 {
    let mut graph: Graph<(), u32> = Graph::new();
    let mut nodes = |count: usize| (0..count).map(|_| graph.add_node(())).collect::<Vec<NodeIndex>>();
    let [ends, job_nodes, taker_nodes, room_nodes] =
        [nodes(2), nodes(jobs.len()), nodes(takers.len()), nodes(rooms.len())];
    for (job, node) in jobs.iter().zip(&job_nodes) {
        graph.add_edge(ends[0], *node, 1);
        for ((offers, _), taker) in takers.iter().zip(&taker_nodes) {
            if job.is_subset(offers) {
                graph.add_edge(*node, *taker, 1);
            }
        }
    }
    for ((_, room), taker) in takers.iter().zip(&taker_nodes) {
        graph.add_edge(*taker, room_nodes[*room], rooms[*room]);
    }
    for (capacity, node) in rooms.iter().zip(&room_nodes) {
        graph.add_edge(*node, ends[1], *capacity);
    }
    maximum_flow::ford_fulkerson(&graph, ends[0], ends[1]).0
}

/// Which jobs are served when no earlier job is left out for a later one.
pub(crate) fn served(jobs: &[&BTreeSet<String>], takers: &[(&BTreeSet<String>, usize)], rooms: &[u32]) -> Vec<bool> {
    let mut chosen: Vec<&BTreeSet<String>> = Vec::new();
    jobs.iter()
        .map(|job| {
            chosen.push(job);
            let all = most(&chosen, takers, rooms) == u32::try_from(chosen.len()).unwrap();
            if !all {
                chosen.pop();
            }
            all
        })
        .collect()
}

/// The fewest jobs that must leave their homes so that exactly these jobs are served, by trying everything.
pub(crate) fn fewest_moves(
    jobs: &[(&BTreeSet<String>, Option<usize>)],
    takers: &[(&BTreeSet<String>, usize)],
    rooms: &[u32],
) -> Option<u32> {
    let Some(((job, home), rest)) = jobs.split_first() else { return Some(0) };
    let options = takers.iter().filter(|(offers, room)| job.is_subset(offers) && rooms[*room] > 0);
    let rooms_that_fit: BTreeSet<usize> = options.map(|(_, room)| *room).collect();
    rooms_that_fit
        .into_iter()
        .filter_map(|room| {
            let mut rooms = rooms.to_vec();
            rooms[room] -= 1;
            let moves = u32::from(home.is_some_and(|home| home != room));
            fewest_moves(rest, takers, &rooms).map(|others| others + moves)
        })
        .min()
}
