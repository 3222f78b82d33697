// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title The xdb registry on Ethereum: its values, refusals and events
/// @notice Who the storage nodes are, whose files there are, who holds them, and whether they prove
/// it. The meaning is that of `xdb/core/rules`; docs/ethereum.md lists what differs and why.
///
/// - The sender of a call is `msg.sender`; times are `block.timestamp`; epochs are counted in blocks.
/// - Integers are below 2^63 (`Invalid`). All calls are all or nothing.
/// - State holds commitments. Whoever changes a file shows its present `Record`, which follows from
///   the events, and the registry compares its hash; a stale one is refused with `Version`.
/// - There is no owner, no administrator, no pause and no upgrade. Other rules are another
///   deployment, which nodes follow by their configuration.
interface IRegistryTypes {
    // ------------------------------------------------------------------ values

    /// @notice Fixed at deployment. Times in seconds, epochs in blocks.
    struct Parameters {
        uint64 genesis; // block at which epoch 0 begins: that of the deployment
        uint64 start; // its timestamp
        uint64 epoch; // blocks
        uint64 freeze; // blocks before an epoch in which nothing more is added to its draws
        uint64 leavesPerEpoch;
        uint64 leafSize; // bytes
        uint64 healthWindow; // epochs
        uint64 retention;
        uint64 receiptValidity;
        uint64 strayGrace;
        uint64 unreachable;
        uint64 notice;
        uint64 maxSlots;
        uint64 maxFilesPerCall;
        uint64 maxLabel; // bytes
        uint64 maxText; // bytes of an address, operator or zone
        uint64 maxLifetime;
    }

    /// @notice `coding` is 1 (copies) or 2 (erasure); any `required` of `total` slots restore a file.
    struct Redundancy {
        uint8 coding;
        uint64 required;
        uint64 total;
    }

    /// @notice Where a node is reached; `nextCertificate` is 0 while none is announced.
    struct Endpoint {
        string addr; // host:port
        bytes32 certificate; // SHA-256 of the DER certificate
        bytes32 nextCertificate;
    }

    /// @notice A node as registered. `signer` counts from `signerEpoch` on, `formerSigner` before.
    struct NodeRecord {
        address signer;
        address formerSigner;
        uint64 signerEpoch;
        Endpoint endpoint;
        string operator;
        string zone;
        uint64 capacity;
        uint8 state; // 1 online, 2 draining, 3 offline, 4 left; 0: not registered
        uint64 registered;
        uint64 resigned; // 0: not resigned
    }

    /// @notice What UpdateNode changes: the fields whose flag is set.
    struct NodeChanges {
        bool setSigner;
        bool setEndpoint;
        bool setOperator;
        bool setZone;
        bool setCapacity;
        address signer;
        Endpoint endpoint;
        string operator;
        string zone;
        uint64 capacity;
    }

    /// @notice One slot as its holder accepted it, with the signature of its receipt in the compact
    /// form of EIP-2098: `vs` is s with v (0 or 1) as its highest bit.
    struct Holder {
        address node;
        bytes32 root;
        uint64 leaves;
        uint64 replicaLeaves;
        uint64 size;
        uint64 latestExpiry;
        uint64 validUntil;
        bytes32 r;
        bytes32 vs;
    }

    /// @notice A file to publish; slot i + 1 is `holders[i]`; `replaces` is 0 when it replaces none.
    struct NewFile {
        bytes16 nonce;
        bytes32 namespace;
        bytes32 name;
        bytes32 manifest;
        Redundancy redundancy;
        uint64 size;
        uint64 expiry;
        Holder[] holders;
        bytes32 replaces;
        bytes label;
    }

    /// @notice A holder's acceptance of a later expiry for one slot.
    struct Renewal {
        uint64 slot;
        Holder holder;
    }

    /// @notice One slot of a file. `segment` is index * 2^48 + start, where the holding stands in
    /// the node's address space.
    struct Place {
        address node;
        bytes32 root;
        uint64 leaves;
        uint64 replicaLeaves;
        uint64 size;
        uint64 latestExpiry;
        uint256 segment;
    }

    /// @notice A file's record but for owner, expiry and deletion, which state holds openly. State
    /// holds keccak256(abi.encode(record)).
    struct Record {
        bytes32 namespace;
        bytes32 name;
        bytes32 root;
        Redundancy redundancy;
        uint64 version;
        Place[] places;
    }

    /// @notice A segment of a node's address space: leaves [start, start + leaves).
    struct Held {
        uint64 index;
        bytes32 file;
        uint64 slot;
        uint64 start;
        uint64 leaves;
        uint64 replicaLeaves;
        bytes32 root;
    }

    /// @notice One slot of a file.
    struct HoldingRef {
        bytes32 file;
        uint64 slot;
    }

    // ------------------------------------------------------------------ refusals

    // One for each code of xdb.v1.Refusal that this chain needs; the name is the code's.

    error Unsupported(bytes32 what); // 6
    error NotAllowed(address sender); // 10
    error TooLarge(uint256 given, uint256 most); // 11
    error Invalid(bytes32 what); // 12
    error NodeUnknown(address node); // 20
    error NodeExists(address node); // 21
    error NodeState(address node, uint8 state); // 22
    error NodeBusy(address node, uint256 holdings); // 23
    error NamespaceUnknown(bytes32 namespace); // 30
    error NamespaceExists(bytes32 namespace); // 31
    error Policy(uint64 required, uint64 total); // 32
    error FileUnknown(bytes32 file); // 40
    error FileExists(bytes32 file); // 41
    error NameTaken(bytes32 name, bytes32 by); // 42
    error Expiry(bytes32 file, uint256 expiry, uint256 latest); // 43
    error Version(bytes32 file); // 44: the record shown is not the present one
    error Slot(bytes32 file, uint256 slot); // 45
    error Holders(bytes32 file, uint256 slot); // 46
    error Receipt(bytes32 file, uint256 slot, bytes32 why); // 47
    error Root(bytes32 file, uint256 slot); // 48
    error Gone(bytes32 file, uint256 since); // 49
    error NotGone(bytes32 file, uint256 until); // 50
    error Epoch(uint256 epoch, uint256 present); // 60
    error Seed(uint256 epoch, bytes32 why); // 61
    error Proof(uint256 draw, bytes32 why); // 62
    error Proved(address node, uint256 epoch); // 63

    // ------------------------------------------------------------------ events

    event NodeRegistered(
        address indexed node,
        address signer,
        Endpoint endpoint,
        string operator,
        string zone,
        uint64 capacity
    );
    event NodeUpdated(
        address indexed node,
        address signer,
        uint64 signerEpoch,
        Endpoint endpoint,
        string operator,
        string zone,
        uint64 capacity
    );
    event NodeStateSet(address indexed node, uint8 state);
    event HeartbeatSeen(address indexed node);
    event NodeResigned(address indexed node, uint64 freeFrom);

    event NamespaceCreated(
        address indexed owner,
        bytes32 indexed namespace,
        bytes label,
        Redundancy redundancy,
        uint8 scheme
    );
    event NamespaceUpdated(
        address indexed owner,
        bytes32 indexed namespace,
        bool labelled,
        bytes label,
        Redundancy redundancy
    );

    /// @param segments where each holding stands, as in `Place`
    event FilePublished(
        bytes32 indexed file,
        address indexed owner,
        bytes32 namespace,
        bytes32 name,
        bytes32 manifest,
        bytes32 root,
        Redundancy redundancy,
        uint64 size,
        uint64 expiry,
        Holder[] holders,
        uint256[] segments,
        bytes32 replaces,
        bytes label
    );
    event FileRenewed(bytes32 indexed file, uint64 expiry, Renewal[] renewals);
    event FileRenamed(bytes32 indexed file, bytes32 name, bytes label);
    event FileDeleted(bytes32 indexed file);
    event FileMoved(
        bytes32 indexed file,
        uint64 slot,
        address indexed source,
        Holder holder,
        uint64 version,
        uint256 segment
    );
    event FileExtended(
        bytes32 indexed file,
        uint64 slot,
        Holder holder,
        bytes32 root,
        uint64 version,
        uint256 segment
    );
    event FileShrunk(
        bytes32 indexed file, uint64 slot, address indexed node, bytes32 root, uint64 version
    );
    event FileReleased(bytes32 indexed file);

    /// @param time the timestamp of the epoch's first block
    event SeedRevealed(uint64 indexed epoch, bytes32 seed, uint64 time);
    event ProofAccepted(address indexed node, uint64 indexed epoch, HoldingRef[] lost);
    event HoldingSurrendered(address indexed node, bytes32 indexed file, uint64 slot);

}

/// @title Calls of storage nodes
interface INodes is IRegistryTypes {
    /// @notice The sender becomes a storage node, online, its signer in effect at once.
    function registerNode(
        address signer,
        Endpoint calldata endpoint,
        string calldata operator,
        string calldata zone,
        uint64 capacity
    ) external;

    /// @notice Changes what is flagged. A new signer counts from the next epoch on.
    function updateNode(NodeChanges calldata changes) external;

    /// @notice The sender's new state. Left is final: draining and empty, or after the notice.
    function setNodeState(uint8 state) external;

    /// @notice A sign of life by the node's signer. Optional here: the epoch's proof is one.
    function heartbeat(address node) external;

    /// @notice Starts the sender's notice period; it takes nothing new from now on.
    function resign() external;
}

/// @title Calls on namespaces
interface INamespaces is IRegistryTypes {
    /// @notice A namespace of the sender. `scheme` is 1 (Merkle).
    function createNamespace(
        bytes32 namespace,
        bytes calldata label,
        Redundancy calldata redundancy,
        uint8 scheme
    ) external;

    /// @notice Another label when `labelled`, another policy when `changed`.
    function updateNamespace(
        bytes32 namespace,
        bool labelled,
        bytes calldata label,
        bool changed,
        Redundancy calldata redundancy
    ) external;
}

/// @title Calls on files
interface IFiles is IRegistryTypes {
    /// @notice New files of the sender, version 1.
    function publish(NewFile[] calldata files) external;

    /// @notice A later expiry; a deleted or expired file is live again.
    function renew(
        bytes32 file,
        Record calldata record,
        uint64 expiry,
        Renewal[] calldata renewals
    ) external;

    /// @notice Another name and label for a live file.
    function rename(bytes32 file, Record calldata record, bytes32 name, bytes calldata label)
        external;

    /// @notice Retention begins and the name is free. (Delete; that word is Solidity's.)
    function deleteFile(bytes32 file) external;

    /// @notice The slot's holding is with another node, or taken anew by the same; version + 1.
    function move(bytes32 file, Record calldata record, uint64 slot, Holder calldata holder)
        external;

    /// @notice One copy more, as slot total + 1; version + 1.
    /// @param siblings the full subtrees left of the new leaf of the file tree, lowest first
    function extend(
        bytes32 file,
        Record calldata record,
        Holder calldata holder,
        bytes32[] calldata siblings
    ) external;

    /// @notice One copy less: the last slot ends; version + 1.
    /// @param siblings the full subtrees left of the last leaf of the file tree, lowest first
    function shrink(bytes32 file, Record calldata record, bytes32[] calldata siblings) external;

    /// @notice Anybody: forgets a file whose retention is over.
    function release(bytes32 file, Record calldata record) external;
}

/// @title Calls that challenge and prove
interface IAudits is IRegistryTypes {
    /// @notice Anybody, in the first half of an epoch: its seed, the prevrandao of its first block.
    /// @param header that block's header, in RLP
    function revealSeed(uint64 epoch, bytes calldata header) external;

    /// @notice The node's answers to all draws of the present epoch, by its signer.
    /// @param answers big endian, without padding, in order of the draws:
    ///
    /// ```
    /// answer    holes u8, that many hole, then unless there are 16: kind u8, and a leaf or a loss
    /// hole      segment, root 32
    /// loss      (kind 2)  segment, root 32
    /// leaf      (kind 1)  segment, replica length u64, the leaf's bytes,
    ///                     siblings 32 each: up to the replica's root, then to the holding's
    /// segment   index u32, file 32, slot u8, start u48, leaves u48, replica leaves u48
    /// ```
    ///
    /// How many bytes and siblings there are follows from the segment and the draw.
    function prove(address node, uint64 epoch, bytes calldata answers) external;

    /// @notice The node's id or signer gives a holding up.
    function surrender(address node, Held calldata held) external;
}

/// @title The registry: all calls, and what everybody may read
interface IRegistry is INodes, INamespaces, IFiles, IAudits {
    function parameters() external view returns (Parameters memory);

    /// @notice The present epoch.
    function epoch() external view returns (uint64);

    function node(address id) external view returns (NodeRecord memory);

    /// @notice A namespace's policy; `created` is 0 when there is none.
    function namespaceOf(address owner, bytes32 namespace)
        external
        view
        returns (Redundancy memory redundancy, uint64 created);

    /// @notice A file's open part and keccak256(abi.encode(record)); `owner` is 0 when there is none.
    function fileOf(bytes32 file)
        external
        view
        returns (address owner, uint64 expiry, uint64 deleted, bytes32 commitment);

    /// @notice The file that took a name last. It holds it until it is deleted or gone.
    function named(address owner, bytes32 namespace, bytes32 name) external view returns (bytes32);

    /// @notice A node's address space.
    /// @return segments how many were ever appended
    /// @return leaves how many these have
    /// @return drawn the leaves that the present epoch's draws are among
    /// @return held segments that have not ended
    /// @return proved the epoch proved last, plus 1; 0: none
    function space(address id)
        external
        view
        returns (uint64 segments, uint64 leaves, uint64 drawn, uint64 held, uint64 proved);

    /// @notice A segment: the first 28 bytes of keccak256(abi.encode(file, slot, start, leaves,
    /// replicaLeaves, root)); the epoch it ended in, plus 1, or 0; whether the record let go of it.
    function segment(address id, uint64 index)
        external
        view
        returns (bytes28 digest, uint64 ended, bool dropped);

    /// @notice The newest seed, and the timestamp of its epoch's first block; `seed` is 0: none yet.
    function newestSeed() external view returns (uint64 epochOf, bytes32 seed, uint64 time);
}
