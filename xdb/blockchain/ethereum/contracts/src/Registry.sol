// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Half} from "./Half.sol";
import {IRegistry} from "./IRegistry.sol";
import {Publishing} from "./Publishing.sol";
import {Store} from "./Store.sol";

/// @title The registry
/// @notice Everything about it is fixed at deployment, its code too, and nobody has more rights
/// than anybody else. It holds no ether and calls no contract but the one that its constructor
/// makes, the precompiles and the block hashes of EIP-2935.
contract Registry is IRegistry, Publishing {
    address private immutable HALF;

    constructor(Parameters memory p) Store(p) {
        HALF = address(new Half(p));
    }

    // ------------------------------------------------------------------ the other half

    function registerNode(
        address,
        Endpoint calldata,
        string calldata,
        string calldata,
        uint64
    ) external {
        _other();
    }

    function updateNode(NodeChanges calldata) external {
        _other();
    }

    function setNodeState(uint8) external {
        _other();
    }

    function heartbeat(address) external {
        _other();
    }

    function resign() external {
        _other();
    }

    function revealSeed(uint64, bytes calldata) external {
        _other();
    }

    function prove(address, uint64, bytes calldata) external {
        _other();
    }

    function surrender(address, Held calldata) external {
        _other();
    }

    /// @dev The call as it is, by the other half's code.
    function _other() private {
        // slither-disable-next-line controlled-delegatecall
        (bool ok, bytes memory answer) = HALF.delegatecall(msg.data);
        if (!ok) {
            assembly ("memory-safe") { revert(add(answer, 32), mload(answer)) }
        }
    }

    // ------------------------------------------------------------------ views

    function parameters() external view returns (Parameters memory) {
        return Parameters(
            GENESIS,
            START,
            EPOCH,
            FREEZE,
            LEAVES_PER_EPOCH,
            LEAF_SIZE,
            HEALTH_WINDOW,
            RETENTION,
            RECEIPT_VALIDITY,
            STRAY_GRACE,
            UNREACHABLE,
            NOTICE,
            MAX_SLOTS,
            MAX_FILES_PER_CALL,
            MAX_LABEL,
            MAX_TEXT,
            MAX_LIFETIME
        );
    }

    function epoch() external view returns (uint64) {
        return uint64(_epoch());
    }

    function node(address id) external view returns (NodeRecord memory) {
        NodeEntry storage entry = _nodes[id];
        uint256 word = entry.word;
        return NodeRecord(
            address(uint160(word)),
            entry.formerSigner,
            uint40(word >> 160),
            entry.endpoint,
            entry.operator,
            entry.zone,
            entry.capacity,
            _state(word),
            entry.registered,
            uint64(_resigned(word))
        );
    }

    function namespaceOf(address owner, bytes32 namespace)
        external
        view
        returns (Redundancy memory redundancy, uint64 created)
    {
        uint256 word = _namespaces[_namespaceKey(owner, namespace)];
        return (_redundancy(word), uint64(word >> 24));
    }

    function fileOf(bytes32 file)
        external
        view
        returns (address owner, uint64 expiry, uint64 deleted, bytes32 commitment)
    {
        uint256 word = _files[file].word;
        return (
            _owner(word), uint64(_expiry(word)), uint64(_deleted(word)), _files[file].commitment
        );
    }

    function named(address owner, bytes32 namespace, bytes32 name)
        external
        view
        returns (bytes32)
    {
        return _names[_nameKey(owner, namespace, name)];
    }

    function space(address id)
        external
        view
        returns (uint64 segments, uint64 leaves, uint64 drawn, uint64 held, uint64 proved)
    {
        uint256 head = _heads[id];
        return (
            uint32(head >> 168),
            uint48(head),
            uint64(_drawn(head)),
            uint32(head >> 200),
            uint64(head >> 232)
        );
    }

    function segment(address id, uint64 index)
        external
        view
        returns (bytes28 digest, uint64 ended, bool dropped)
    {
        uint256 word = _segments[id][index];
        return (bytes28(bytes32(word)), uint64(word & (DROPPED - 1)), word & DROPPED != 0);
    }

    function newestSeed() external view returns (uint64, bytes32, uint64) {
        return (_seedEpoch, _seed, _seedTime);
    }
}
