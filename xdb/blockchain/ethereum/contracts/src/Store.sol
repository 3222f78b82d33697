// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IRegistryTypes} from "./IRegistry.sol";

/// @title What the registry keeps
/// @notice Parameters are immutable; state is small words and commitments.
///
/// ```
/// node       signer 160 | signer epoch 40 << 160 | state 8 << 200 | resigned 40 << 208
/// head       leaves 48 | before 48 << 48 | earlier 48 << 96 | changed 24 << 144
///            | segments 32 << 168 | held 32 << 200 | proved 24 << 232
/// file       owner 160 | expiry 40 << 160 | deleted 40 << 200, and the hash of its record
/// segment    digest 224 << 32 | dropped 1 << 31 | ended 31
/// namespace  coding 8 | required 8 << 8 | total 8 << 16 | created 40 << 24
/// ```
abstract contract Store is IRegistryTypes {
    struct NodeEntry {
        uint256 word;
        address formerSigner;
        uint40 registered;
        uint64 capacity;
        Endpoint endpoint;
        string operator;
        string zone;
    }

    struct FileEntry {
        uint256 word;
        bytes32 commitment;
    }

    uint8 internal constant ONLINE = 1;
    uint8 internal constant DRAINING = 2;
    uint8 internal constant LEFT = 4;
    uint8 internal constant COPIES = 1;
    uint8 internal constant ERASURE = 2;

    uint256 internal constant LARGEST = type(uint64).max >> 1;
    uint256 private constant LARGEST_PARAMETER = LARGEST / 4;
    uint256 private constant BLOCK_SECONDS = 12;
    // Of the headers that EIP-2935 keeps, an epoch's first must be within reach while it counts.
    uint256 private constant HEADERS_KEPT = 8191;

    uint64 internal immutable GENESIS;
    uint64 internal immutable START;
    uint64 internal immutable EPOCH;
    uint64 internal immutable FREEZE;
    uint64 internal immutable LEAVES_PER_EPOCH;
    uint64 internal immutable LEAF_SIZE;
    uint64 internal immutable HEALTH_WINDOW;
    uint64 internal immutable RETENTION;
    uint64 internal immutable RECEIPT_VALIDITY;
    uint64 internal immutable STRAY_GRACE;
    uint64 internal immutable UNREACHABLE;
    uint64 internal immutable NOTICE;
    uint64 internal immutable MAX_SLOTS;
    uint64 internal immutable MAX_FILES_PER_CALL;
    uint64 internal immutable MAX_LABEL;
    uint64 internal immutable MAX_TEXT;
    uint64 internal immutable MAX_LIFETIME;

    mapping(address id => NodeEntry) internal _nodes;
    mapping(address id => uint256 head) internal _heads;
    mapping(address id => mapping(uint256 index => uint256)) internal _segments;
    mapping(bytes32 ownerAndTag => uint256) internal _namespaces;
    mapping(bytes32 file => FileEntry) internal _files;
    mapping(bytes32 ownerAndTags => bytes32 file) internal _names;
    bytes32 internal _seed;
    uint64 internal _seedEpoch;
    uint64 internal _seedTime;

    /// @notice Refuses what `xdb/core/rules/parameters.py` refuses: the rules would not hold what
    /// they promise.
    constructor(Parameters memory p) {
        _demand(p.epoch, 2, 2 * HEADERS_KEPT, "epoch");
        _demand(p.freeze, 0, p.epoch - 1, "freeze");
        _demand(p.leavesPerEpoch, 1, 1024, "leavesPerEpoch");
        _demand(p.leafSize, 1, 1 << 20, "leafSize");
        _demand(p.healthWindow, 1, LARGEST_PARAMETER, "healthWindow");
        _demand(p.receiptValidity, 1, LARGEST_PARAMETER, "receiptValidity");
        // Else nodes could delete what they are still asked to prove, and a file could be released,
        // and published again under the receipts of its first life.
        _demand(p.retention, 2 * BLOCK_SECONDS * p.epoch, type(uint32).max, "retention");
        _demand(p.retention, p.receiptValidity, type(uint32).max, "retention");
        // Else nodes could delete what still may be published.
        _demand(p.strayGrace, p.receiptValidity + 1, LARGEST_PARAMETER, "strayGrace");
        _demand(p.unreachable, 1, LARGEST_PARAMETER, "unreachable");
        _demand(p.notice, 1, type(uint32).max, "notice");
        _demand(p.maxSlots, 1, 255, "maxSlots");
        _demand(p.maxFilesPerCall, 1, LARGEST_PARAMETER, "maxFilesPerCall");
        _demand(p.maxLabel, 1, LARGEST_PARAMETER, "maxLabel");
        _demand(p.maxText, 1, LARGEST_PARAMETER, "maxText");
        _demand(p.maxLifetime, 1, type(uint32).max, "maxLifetime");
        GENESIS = uint64(block.number);
        START = uint64(block.timestamp);
        EPOCH = p.epoch;
        FREEZE = p.freeze;
        LEAVES_PER_EPOCH = p.leavesPerEpoch;
        LEAF_SIZE = p.leafSize;
        HEALTH_WINDOW = p.healthWindow;
        RETENTION = p.retention;
        RECEIPT_VALIDITY = p.receiptValidity;
        STRAY_GRACE = p.strayGrace;
        UNREACHABLE = p.unreachable;
        NOTICE = p.notice;
        MAX_SLOTS = p.maxSlots;
        MAX_FILES_PER_CALL = p.maxFilesPerCall;
        MAX_LABEL = p.maxLabel;
        MAX_TEXT = p.maxText;
        MAX_LIFETIME = p.maxLifetime;
    }

    function _demand(uint256 value, uint256 least, uint256 most, bytes32 what) private pure {
        require(least <= value && value <= most, Invalid(what));
    }

    // ------------------------------------------------------------------ time

    /// @dev The epoch now.
    function _epoch() internal view returns (uint256) {
        return (block.number - GENESIS) / EPOCH;
    }

    /// @dev What is appended now counts for the draws of later epochs than this.
    function _changing() internal view returns (uint256) {
        return (block.number - GENESIS + FREEZE) / EPOCH;
    }

    // ------------------------------------------------------------------ nodes

    function _state(uint256 node) internal pure returns (uint8) {
        return uint8(node >> 200);
    }

    function _resigned(uint256 node) internal pure returns (uint256) {
        return uint40(node >> 208);
    }

    /// @dev Who speaks for the node in the present epoch.
    function _signer(address id, uint256 node) internal view returns (address) {
        return _epoch() >= uint40(node >> 160) ? address(uint160(node)) : _nodes[id].formerSigner;
    }

    /// @dev A node that was registered at some time.
    function _knownNode(address id) internal view returns (uint256 node) {
        node = _nodes[id].word;
        require(node != 0, NodeUnknown(id));
    }

    /// @dev A node that is registered and has not left.
    function _presentNode(address id) internal view returns (uint256 node) {
        node = _knownNode(id);
        require(_state(node) != LEFT, NodeState(id, LEFT));
    }

    // ------------------------------------------------------------------ limits

    function _checkNumber(uint256 number, bytes32 what) internal pure {
        require(number <= LARGEST, Invalid(what));
    }

    function _checkLabel(bytes calldata label) internal view {
        require(label.length <= MAX_LABEL, TooLarge(label.length, MAX_LABEL));
    }
}
