//! A bounded exhaustive exploration of the generations: two processes that read and write, every interleaving, crashes, a
//! shared tier that is not reached, and one that loses its memory. It mirrors what `aws::cache` does with a kind.

use crate::model_checker;

const TASKS: usize = 2;
const WRITES: u8 = 2;
const TOKENS: u8 = 5;

/// A rule that is left out on purpose, to see that the exploration notices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Defect {
    None,
    /// The new generation begins before the table is written.
    InvalidatedFirst,
    /// An answer is stored under the generation at the time of storing.
    LateGeneration,
    /// An entry of the process is used without reading the generation.
    OwnCopyTrusted,
    /// A request for the same answer waits for a read of any generation.
    JoinsAnyRead,
    /// Generations are counted from 0 by the tier, and not random.
    CountedGenerations,
}

/// An answer with its generation: the number of the last write that it contains.
type CachedAnswer = Option<(u8, u8)>;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Task {
    Idle,
    /// It is between its two steps: the table and the new generation.
    Writing {
        number: u8,
    },
    /// The answer must contain at least the write that was acknowledged when the request began.
    Requesting {
        at_least: u8,
    },
    /// It read the generation and found nothing in it.
    Reading {
        at_least: u8,
        generation: u8,
    },
    /// It has read the table.
    Storing {
        at_least: u8,
        generation: u8,
        content: u8,
    },
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct World {
    /// The last write that the table holds.
    table: u8,
    /// The writes that have begun.
    begun: u8,
    /// The last write whose writer has finished both steps.
    acknowledged: u8,
    generation: Option<u8>,
    shared: CachedAnswer,
    /// Tokens that were ever used: a random one does not come again.
    tokens: u8,
    tasks: [Task; TASKS],
    /// The entry of each process.
    own: [CachedAnswer; TASKS],
}

impl World {
    fn with(&self, at: usize, task: Task) -> Self {
        let mut next = self.clone();
        next.tasks[at] = task;
        next
    }

    /// Begins a new generation and returns its number.
    fn begin(&mut self, defect: Defect) -> u8 {
        let counted = self.generation.map_or(0, |generation| generation + 1);
        self.tokens += 1;
        let token = if defect == Defect::CountedGenerations { counted } else { self.tokens };
        self.generation = Some(token);
        token
    }
}

/// An answer must contain every write that was acknowledged before its request began.
fn answered(content: u8, at_least: u8) -> Result<(), &'static str> {
    if content < at_least { Err("an answer from before a write") } else { Ok(()) }
}

fn successors(world: &World, defect: Defect) -> Result<Vec<World>, &'static str> {
    let mut next = Vec::new();
    if world.tokens >= TOKENS {
        return Ok(next);
    }
    if world.generation.is_some() {
        next.push(World { generation: None, shared: None, ..world.clone() });
    }
    for (at, task) in world.tasks.iter().copied().enumerate() {
        match task {
            Task::Idle => {
                next.push(world.with(at, Task::Requesting { at_least: world.acknowledged }));
                if world.begun < WRITES {
                    let number = world.begun + 1;
                    let mut writing = World { begun: number, ..world.with(at, Task::Writing { number }) };
                    if defect == Defect::InvalidatedFirst {
                        writing.begin(defect);
                    } else {
                        writing.table = number;
                    }
                    next.push(writing);
                }
            }
            Task::Writing { number } => {
                let mut done = world.with(at, Task::Idle);
                if defect == Defect::InvalidatedFirst {
                    done.table = done.table.max(number);
                } else {
                    // A crash between the two steps, or a tier that cannot be reached: not acknowledged.
                    next.push(done.clone());
                    done.begin(defect);
                }
                done.acknowledged = done.acknowledged.max(number);
                next.push(done);
            }
            Task::Requesting { at_least } => {
                // The tier is not reached: the table answers, and nothing is cached.
                next.push(world.with(at, Task::Idle));
                next.extend(look_up(world, at, at_least, defect)?);
            }
            Task::Reading { at_least, generation } => {
                next.push(world.with(at, Task::Idle));
                next.push(world.with(at, Task::Storing { at_least, generation, content: world.table }));
            }
            Task::Storing { at_least, generation, content } => {
                answered(content, at_least)?;
                let late = defect == Defect::LateGeneration;
                let under = if late { world.generation.unwrap_or(generation) } else { generation };
                let mut own = world.with(at, Task::Idle);
                own.own[at] = Some((under, content));
                // The tier may not store it.
                next.push(own.clone());
                own.shared = Some((under, content));
                next.push(own);
            }
        }
    }
    Ok(next)
}

/// The possible results of a request to the tier.
fn look_up(world: &World, at: usize, at_least: u8, defect: Defect) -> Result<Vec<World>, &'static str> {
    let mut requested = world.with(at, Task::Idle);
    let generation = match requested.generation {
        Some(generation) => generation,
        None => requested.begin(defect),
    };
    let trusted = defect == Defect::OwnCopyTrusted;
    let own = world.own[at].filter(|(of, _)| trusted || *of == generation);
    if let Some((_, content)) = own.or(world.shared.filter(|(of, _)| *of == generation)) {
        answered(content, at_least)?;
        requested.own[at] = own.or(world.shared);
        return Ok(vec![requested]);
    }
    let any = defect == Defect::JoinsAnyRead;
    let mut next = vec![requested.with(at, Task::Reading { at_least, generation })];
    for (other, task) in world.tasks.iter().copied().enumerate().filter(|(other, _)| *other != at) {
        // Requests of one process that want the same wait for one reading, which must be good enough for both.
        let waits_for = |theirs: u8| theirs == generation || any;
        match task {
            Task::Reading { at_least: theirs, generation } if waits_for(generation) => {
                next.push(requested.with(other, Task::Reading { at_least: theirs.max(at_least), generation }));
            }
            Task::Storing { at_least: theirs, generation, content } if waits_for(generation) => {
                next.push(requested.with(other, Task::Storing { at_least: theirs.max(at_least), generation, content }));
            }
            _ => {}
        }
    }
    Ok(next)
}

/// Explores every reachable world; returns their number, or the rule that was broken.
fn explore(defect: Defect) -> Result<usize, &'static str> {
    let first = World {
        table: 0,
        begun: 0,
        acknowledged: 0,
        generation: None,
        shared: None,
        tokens: 0,
        tasks: [Task::Idle; TASKS],
        own: [None; TASKS],
    };
    // A rule is broken by an answer that lacks a write, and that shows in the step of the answer.
    model_checker::explore(first, |_| Ok(()), |world| successors(world, defect))
}

#[test]
fn every_interleaving_reads_acknowledged_writes() {
    let worlds = explore(Defect::None).expect("no property is broken");
    assert!(worlds > 10_000, "the exploration is too small to mean anything: {worlds}");
    let defects = [
        Defect::InvalidatedFirst,
        Defect::LateGeneration,
        Defect::OwnCopyTrusted,
        Defect::JoinsAnyRead,
        Defect::CountedGenerations,
    ];
    let mut caught = 0;
    for defect in defects {
        assert_eq!(explore(defect), Err("an answer from before a write"), "{defect:?}");
        caught += 1;
    }
    println!("model: name=cache states={worlds} mutations_caught={caught}/{}", defects.len());
}
