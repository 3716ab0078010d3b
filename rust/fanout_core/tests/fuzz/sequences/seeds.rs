//! What the corpus began with: a sequence for each way to live and to end.

type Seed = (&'static str, Vec<u8>);

/// Operations as bytes, to be put into inputs.
const ADOPT: [u8; 5] = [0, 0, 7, 0, 4];
const ADOPT_OTHER_TENANT: [u8; 5] = [0, 1, 7, 0, 4];
const ADOPT_TWO_ROOMS: [u8; 5] = [0, 4, 0b0001_1001, 0, 1];
const ATTACH: [u8; 4] = [2, 4, 0b0001_0011, 0];
const SUBMIT: [u8; 4] = [16, 0, 7, 1];
const SUBMIT_LARGE: [u8; 4] = [16, 0, 7, 0b0101_1110];
const ONE_LARGE: [u8; 5] = [16, 0, 7, 6, 23];
const SUBMIT_CRITICAL: [u8; 4] = [16, 4, 1, 0b0101_1110];
const BATCH: [u8; 8] = [19, 0, 1, 4, 2, 2, 7, 0b0001_0010];
const ADOPT_RESUMING: [u8; 5] = [0, 0, 7, 0, 12];
const PAGE: [u8; 3] = [30, 0, 0b0000_1101];
const PAGE_LARGE: [u8; 3] = [30, 0, 0b1101_1101];
const LAST_PAGE: [u8; 3] = [30, 0, 0b0010_1100];
const SETTLE: [u8; 1] = [23];
const HOLD: [u8; 1] = [24];
const DRAIN: [u8; 2] = [14, 0];
const DRAIN_ALL: [u8; 1] = [15];
const MOVE: [u8; 5] = [3, 0, 2, 1, 0];
const ADOPT_ADMIN: [u8; 5] = [0, 0, 2, 0, 4];
const MOVE_TO_KITCHEN: [u8; 5] = [3, 1, 0, 1, 0];
const SUBMIT_KITCHEN: [u8; 4] = [16, 0, 1, 1];

/// Names, and operations.
const LIVES: [(&str, &[&[u8]]); 23] = [
    ("nothing", &[]),
    ("event", &[&ADOPT, &SUBMIT, &DRAIN]),
    (
        "two-tenants",
        &[&ADOPT, &ADOPT_OTHER_TENANT, &BATCH, &SUBMIT, &DRAIN_ALL],
    ),
    (
        "two-owners",
        &[
            &ADOPT,
            &ATTACH,
            &BATCH,
            &[26, 3],
            &SUBMIT,
            &[5, 1, 0],
            &DRAIN,
        ],
    ),
    (
        "move-on-the-way",
        &[&ADOPT, &HOLD, &SUBMIT, &MOVE, &SUBMIT, &DRAIN],
    ),
    (
        "gains-on-the-way",
        &[
            &ADOPT,
            &ADOPT_ADMIN,
            &HOLD,
            &SUBMIT_KITCHEN,
            &MOVE_TO_KITCHEN,
            &SUBMIT_KITCHEN,
            &[3, 1, 0, 2, 0],
            &[3, 1, 0, 3, 0],
            &SUBMIT_KITCHEN,
            &DRAIN_ALL,
        ],
    ),
    (
        "moves",
        &[
            &ADOPT_TWO_ROOMS,
            &BATCH,
            &MOVE,
            &BATCH,
            &MOVE,
            &BATCH,
            &DRAIN,
        ],
    ),
    (
        "close-on-the-way",
        &[&ADOPT, &HOLD, &SUBMIT, &[20, 0, 3], &[5, 0, 1], &DRAIN],
    ),
    (
        "stalls",
        &[
            &ADOPT,
            &SUBMIT_LARGE,
            &SUBMIT_LARGE,
            &SUBMIT,
            &SUBMIT_LARGE,
            &DRAIN,
            &SUBMIT,
            &DRAIN,
        ],
    ),
    (
        "too-slow",
        &[
            &ADOPT,
            &SUBMIT_CRITICAL,
            &SUBMIT_CRITICAL,
            &SETTLE,
            &SUBMIT_CRITICAL,
            &DRAIN,
        ],
    ),
    (
        "asks",
        &[
            &ADOPT,
            &[6, 0, 3],
            &[6, 0, 9],
            &SETTLE,
            &[21, 0, 2],
            &SETTLE,
            &[21, 0, 1],
            &DRAIN,
        ],
    ),
    (
        "beats",
        &[
            &ADOPT,
            &[7, 0, 0],
            &[7, 0, 2],
            &[7, 0, 3],
            &[8, 0],
            &SETTLE,
            &[6, 0, 1],
            &DRAIN,
        ],
    ),
    (
        "expires",
        &[&[0, 0, 7, 0b0001_0100, 2], &SUBMIT, &[22, 1], &DRAIN],
    ),
    ("falls-silent", &[&ADOPT, &[22, 3], &[22, 4], &DRAIN]),
    (
        "violates",
        &[
            &ADOPT,
            &SUBMIT,
            &[10, 0, 3],
            &ADOPT,
            &[9, 1, 0x88, 0x80, 0, 0, 0, 0],
            &DRAIN_ALL,
        ],
    ),
    (
        "hangs-up",
        &[
            &ADOPT,
            &ADOPT,
            &SUBMIT,
            &[12, 0, 0],
            &[12, 1, 1],
            &SUBMIT,
            &[11, 0, 1],
            &DRAIN_ALL,
        ],
    ),
    (
        "refused",
        &[
            &[27, 1],
            &[28, 3],
            &ADOPT,
            &SUBMIT_LARGE,
            &SUBMIT_LARGE,
            &[29],
            &[22, 2],
        ],
    ),
    (
        "resumes",
        &[
            &ADOPT_RESUMING,
            &BATCH,
            &PAGE,
            &SUBMIT,
            &[7, 0, 0],
            &DRAIN,
            &[30, 0, 1], // empty, and not the last
            &SUBMIT,
            &DRAIN,
            &PAGE,
            &SUBMIT,
            &[20, 0, 3],
            &DRAIN,
            &LAST_PAGE,
            &[7, 0, 1],
            &BATCH,
            &DRAIN,
            &PAGE,
        ],
    ),
    (
        "resumes-at-once",
        &[
            &ADOPT,
            &HOLD,
            &SUBMIT,
            &ADOPT_RESUMING,
            &BATCH,
            &[30, 1, 0],
            &SUBMIT,
            &MOVE,
            &DRAIN_ALL,
        ],
    ),
    (
        "resumes-slowly",
        &[
            &ADOPT_RESUMING,
            &SUBMIT_LARGE,
            &PAGE_LARGE,
            &SUBMIT_LARGE,
            &PAGE,
            &SUBMIT,
            &DRAIN,
            &LAST_PAGE,
            &SUBMIT,
            &DRAIN,
        ],
    ),
    (
        "resumes-too-slowly",
        &[
            &ADOPT_RESUMING,
            &ADOPT,
            &SUBMIT_CRITICAL,
            &PAGE_LARGE,
            &SUBMIT_CRITICAL,
            &SUBMIT_CRITICAL,
            &SETTLE,
            &LAST_PAGE,
            &DRAIN_ALL,
        ],
    ),
    (
        "moves-while-resuming",
        &[
            &ADOPT_RESUMING,
            &SUBMIT_KITCHEN,
            &MOVE,
            &HOLD,
            &SUBMIT_KITCHEN,
            &MOVE,
            &SETTLE,
            &PAGE,
            &SUBMIT,
            &DRAIN,
            &LAST_PAGE,
            &DRAIN,
        ],
    ),
    (
        "goes-while-resuming",
        &[
            &ADOPT_RESUMING,
            &ADOPT_RESUMING,
            &ADOPT_RESUMING,
            &BATCH,
            &[30, 0, 0b0000_1101],
            &[5, 0, 1],
            &[12, 1, 0],
            &[11, 2, 1],
            &SETTLE,
            &PAGE,
            &LAST_PAGE,
        ],
    ),
];

/// Names and inputs. The first byte of an input is its plan.
pub fn seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for (at, (name, ops)) in LIVES.into_iter().enumerate() {
        let ending = u8::try_from(at % 4).unwrap() << 6;
        let plan = ending | u8::try_from(at % 2).unwrap();
        seeds.push((name, [vec![plan], ops.concat()].concat()));
    }
    seeds.push((
        "begun",
        [
            vec![6], // outboxes that are smaller than what is begun
            [&ADOPT[..], &ONE_LARGE.repeat(5), &SUBMIT, &DRAIN, &SUBMIT].concat(),
        ]
        .concat(),
    ));
    seeds.push((
        "tight",
        [
            vec![0x3f],
            [
                &ADOPT[..],
                &ATTACH,
                &BATCH,
                &BATCH,
                &SUBMIT,
                &[26, 7],
                &DRAIN,
            ]
            .concat(),
        ]
        .concat(),
    ));
    seeds
}

/// Pieces that mutations put in.
pub fn dictionary() -> Vec<Vec<u8>> {
    let mut pieces: Vec<Vec<u8>> = seeds()
        .into_iter()
        .map(|(_, input)| input[1..].to_vec())
        .collect();
    for op in [
        &ADOPT[..],
        &ADOPT_RESUMING,
        &ADOPT_OTHER_TENANT,
        &ADOPT_TWO_ROOMS,
        &ATTACH,
        &SUBMIT,
        &SUBMIT_LARGE,
    ] {
        pieces.push(op.to_vec());
    }
    for op in [
        &SUBMIT_CRITICAL[..],
        &SUBMIT_KITCHEN,
        &MOVE_TO_KITCHEN,
        &BATCH,
        &PAGE,
        &PAGE_LARGE,
        &LAST_PAGE,
        &SETTLE,
        &HOLD,
        &DRAIN_ALL,
        &MOVE,
        &[25],
    ] {
        pieces.push(op.to_vec());
    }
    pieces
}
